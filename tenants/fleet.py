"""All schemas of this installation, brought to what this code needs: public first, then the template, then every tenant.

Tenants are migrated by several processes, as most of the work is Python's and Django keeps content types by process, not by schema. Each
tenant has a row that says where it stands. One that fails stops nobody; whoever is killed half-way goes on when started again.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from django.db import DatabaseError, OperationalError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kefu.errors import WrongState
from tenants import locks, migrating, registry, roles, template
from tenants.context import outside
from tenants.hands import HandDied, hands
from tenants.models import SchemaState, Tenant
from tenants.names import PUBLIC, TEMPLATE

LOCK = "fleet"
FEW = 20  # schemas that one process has done before another one has started
LONGEST = 2000  # characters of an error that are kept


@dataclass(frozen=True)
class Outcome:
    schema: str
    error: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    tenants: int = 0
    outcomes: list[Outcome] = field(default_factory=list)  # of all schemas that were behind

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.error]


Begin = Callable[[int], None]
Tell = Callable[[Outcome], None]


def migrate(
    only: Collection[str] = (),
    *,
    jobs: int = 0,
    wait: bool = False,
    begin: Begin = lambda total: None,
    tell: Tell = lambda outcome: None,
) -> Report:
    """`only`: these tenants; else all, suspended ones too. `begin` hears how many tenants are behind, `tell` of each schema that is done.

    All are opened to the application's login before (`tenants.roles`), the named ones again. Raises WrongState when another migration is
    under way and this one is not to `wait`, without the owner's login, and when public or the template fails: what cannot be done to an
    empty schema is not tried on people's data.
    """
    busy = "" if wait else _("Another migration is under way.")
    report = Report()

    def done(outcome: Outcome) -> None:
        report.outcomes.append(outcome)
        tell(outcome)

    with outside(), locks.held(LOCK, busy=busy):
        roles.check_owner()
        for schema, refresh in ((PUBLIC, migrating.ensure_public), (TEMPLATE, template.refresh)):
            if _first(schema, refresh):
                done(Outcome(schema))
        schemas = _schemas(only)
        report.tenants = len(schemas)
        for outcome in _opened({*only, *roles.closed([PUBLIC, *schemas])}):
            done(outcome)
        behind = sorted(_behind(schemas))
        if behind:
            begin(len(behind))
            for outcome in _each(behind, jobs or min(os.cpu_count() or 1, -(-len(behind) // FEW))):
                done(outcome)
    registry.forget()
    return report


def _first(schema: str, refresh: Callable[[], bool]) -> bool:
    try:
        return refresh()
    except OperationalError:
        raise
    except Exception as problem:
        said = _("%(name)s could not be migrated, and so nobody was: %(why)s")
        raise WrongState(said % {"name": schema, "why": _words(problem)}) from problem


def _opened(schemas: Collection[str]) -> Iterator[Outcome]:
    """Only those that failed: they are not served, and stop nobody either."""
    for schema in sorted(schemas):
        try:
            roles.admit(schema)
        except OperationalError:
            raise
        except DatabaseError as problem:
            yield Outcome(schema, _words(problem))


def _words(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}".strip()[:LONGEST]


def missing() -> dict[str, list[str]]:
    """The migrations that each schema lacks: public, the template and the tenants. Changes nothing."""
    with outside():
        tenants = _schemas() if migrating.recorded([PUBLIC]) else []
        schemas = [PUBLIC, TEMPLATE, *tenants]
        known = migrating.recorded(schemas)
    return {schema: migrating.missing(schema, known.get(schema, ())) for schema in schemas}


@dataclass(frozen=True)
class Standing:
    """Where a tenant's schema is, for people."""

    state: str = "behind"  # one of STATES
    latest: str = ""
    error: str = ""
    changed_at: datetime | None = None


STATES = {
    "ready": gettext_lazy("ready"),
    "behind": gettext_lazy("behind"),
    "migrating": gettext_lazy("migrating"),
    "failed": gettext_lazy("failed"),
}


def standings() -> dict[int, Standing]:
    """Of each tenant, by its key. Who was being migrated when the migration was killed is behind, not migrating for ever."""
    ready, is_running = migrating.migrated_tenants(), locks.is_held(LOCK)
    found = defaultdict(Standing)
    for row in SchemaState.objects.all():
        state = "ready" if row.pk in ready else "behind"
        if state == "behind" and (
            row.state == row.State.FAILED or (is_running and row.state == row.State.MIGRATING)
        ):
            state = row.state
        found[row.pk] = Standing(state, row.latest, row.error, row.changed_at)
    return found


def _schemas(only: Collection[str] = ()) -> list[str]:
    rows = Tenant.objects.exclude(schema_name=PUBLIC)
    return list((rows.filter(schema_name__in=only) if only else rows).values_list("schema_name", flat=True))


def _behind(schemas: Collection[str]) -> list[str]:
    """Those that lack something; the rows of all are brought to what the schemas themselves say."""
    known = migrating.recorded([PUBLIC, *schemas])
    stored = {
        state.tenant.schema_name: state
        for state in SchemaState.objects.select_related("tenant").filter(tenant__schema_name__in=known)
    }
    wrong = {
        schema: applied
        for schema, applied in known.items()
        if schema not in stored
        or stored[schema].applied != applied
        or (stored[schema].state != SchemaState.State.READY and migrating.is_enough(schema, applied))
    }
    tenants = Tenant.objects.in_bulk(list(wrong), field_name="schema_name")
    SchemaState.objects.bulk_create(
        [
            SchemaState(tenant=tenant, applied=wrong[schema], changed_at=timezone.now())
            for schema, tenant in tenants.items()
        ],
        update_conflicts=True,
        unique_fields=["tenant"],
        update_fields=["state", "applied", "error", "changed_at"],
    )
    return [schema for schema in schemas if not migrating.is_enough(schema, known.get(schema, ()))]


def _each(schemas: list[str], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        yield from map(bring_up, schemas)
        return
    with hands(min(jobs, len(schemas))) as hand_over:
        for schema, answer in hand_over(schemas):
            try:
                yield Outcome(**answer())
            except HandDied as problem:
                note(schema, SchemaState.State.FAILED, str(problem))
                yield Outcome(schema, str(problem))


def bring_up(schema: str) -> Outcome:
    """One tenant, and its row."""
    began = monotonic()
    note(schema, SchemaState.State.MIGRATING)
    try:
        migrating.migrate(schema)
    except Exception as problem:  # whatever it is, it is this tenant's
        error = _words(problem)
        note(schema, SchemaState.State.FAILED, error)
        return Outcome(schema, error, monotonic() - began)
    note(schema, SchemaState.State.READY)
    return Outcome(schema, seconds=monotonic() - began)


def note(schema: str, state: SchemaState.State, error: str = "") -> None:
    """What the schema has is read from itself: of a migration that failed half-way, some may have been done."""
    with outside():
        SchemaState.objects.update_or_create(
            tenant=Tenant.objects.get(schema_name=schema),
            defaults={
                "state": state,
                "error": error,
                "applied": migrating.recorded([schema]).get(schema, []),
            },
        )
