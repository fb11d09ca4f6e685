"""Business look-ups: one row found in the company's own systems, and worded by a template."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference import breaker, health, shared
from inference.filling import WrongTemplate, fill, in_language, names_in_all
from inference.look_ups import http, mcp, sql
from inference.look_ups.replies import Failed, Row, row_of
from inference.models import Connector
from inference.personal import mask_personal
from inference.places import place_of
from kefu import metrics
from tenants import outbound
from tenants.models import Tenant

logger = logging.getLogger(__name__)

SECONDS = 8.0  # for all of one look-up
ERROR_CHARACTERS = 300
VISITOR = "visitor_id"  # the name under which the verified identity is bound; no slot may have it
Values = dict[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """`ask` brings a row or JSON, None for nothing, and raises Failed, WrongTemplate or outbound.Refused.

    `request` tells what it asks, without secrets, and raises Failed or WrongTemplate.
    """

    ask: Callable[[Tenant, Connector, Values], Awaitable[Any]]
    request: Callable[[Connector, Values], str]


KINDS: dict[str, Kind] = {
    Connector.Kind.SQL: Kind(sql.ask, sql.request),
    Connector.Kind.HTTP: Kind(http.ask, http.request),
    Connector.Kind.MCP: Kind(mcp.ask, mcp.request),
}


class Result(StrEnum):
    FOUND = "found"
    NOTHING = "nothing"
    UNIDENTIFIED = "unidentified"  # personal, and nobody vouches for who asks
    RESTING = "resting"  # it failed several times just now, and is left alone
    FAILED = "failed"


RESULTS = {
    Result.FOUND: gettext_lazy("found"),
    Result.NOTHING: gettext_lazy("nothing found"),
    Result.UNIDENTIFIED: gettext_lazy("who asks is not known"),
    Result.RESTING: gettext_lazy("left alone"),
    Result.FAILED: gettext_lazy("failed"),
}


@dataclass(frozen=True)
class Outcome:
    """`text` is for the visitor; the rest is for who looks after the connector."""

    result: Result
    text: str
    reply: Any = None  # as it came
    row: Row | None = None
    error: str = ""
    ms: float = 0


async def look_up(tenant: Tenant, connector: Connector, values: Values, visitor: str = "") -> Outcome:
    """Never raises: a connector that fails says so. `visitor`: who asks, as the site itself vouches for; empty where it does not."""
    began = time.monotonic()
    outcome = await _outcome(tenant, connector, values, visitor)
    seconds = time.monotonic() - began
    metrics.LOOK_UPS.labels(connector.kind, outcome.result).inc()
    if outcome.result in (Result.FOUND, Result.NOTHING, Result.FAILED):
        metrics.LOOK_UP_SECONDS.labels(connector.kind).observe(seconds)
    return replace(outcome, ms=seconds * 1000)


async def _outcome(tenant: Tenant, connector: Connector, values: Values, visitor: str) -> Outcome:
    if connector.is_personal and not visitor:
        return Outcome(Result.UNIDENTIFIED, log_in())
    if not await breaker.may_ask(tenant, connector):
        return Outcome(Result.RESTING, sorry())
    reply = None
    try:
        reply = await _asked(tenant, connector, values, visitor)
        row = _row(connector, reply, visitor)
        if row is None:
            nothing = in_language(connector.nothing_found, connector.nothing_found_en)
            text = fill(nothing, values) or _("I found nothing under this number.")
            return Outcome(Result.NOTHING, text, reply)
        return Outcome(Result.FOUND, _worded(connector, row, values), reply, row)
    except (Failed, WrongTemplate, outbound.Refused, TimeoutError) as trouble:
        error = told(trouble, connector)
        logger.warning(
            "%s: connector %s failed: %s", tenant.schema_name, connector.name, mask_personal(error)
        )
        return Outcome(Result.FAILED, sorry(), reply, error=error)


async def _asked(tenant: Tenant, connector: Connector, values: Values, visitor: str) -> Any:
    """What came of it is told to everybody, if it says anything about the system itself."""
    works: bool | None = None
    began = time.monotonic()
    try:
        if connector.is_personal and not is_bound(connector):
            raise Failed(_("Personal, but nothing ties a row to the visitor."))
        bound = values | {VISITOR: visitor} if connector.is_personal else values
        reply = await in_time(KINDS[connector.kind].ask(tenant, connector, bound))
        works = True
        return reply
    except TimeoutError:
        works = False
        raise
    except Failed as trouble:
        works = False if trouble.is_down else None
        raise
    finally:
        await breaker.tell(tenant, connector, works=works)
        if works is not None:
            await health.count(tenant, connector, works=works, first_token=time.monotonic() - began)


def _row(connector: Connector, reply: Any, visitor: str) -> Row | None:
    """The row, if there is one and it is the visitor's."""
    row: Row | None = reply if connector.kind == Connector.Kind.SQL else row_of(reply, connector.columns)
    return row if row is None or _is_theirs(connector, row, visitor) else None


async def in_time(asking: Awaitable[T]) -> T:
    """Raises TimeoutError, too."""
    async with asyncio.timeout(SECONDS):
        return await asking


def is_bound(connector: Connector) -> bool:
    """Whether what is found depends on who asks. Raises WrongTemplate."""
    if connector.owner_column:
        return True
    if connector.kind == Connector.Kind.SQL:
        return f"%({VISITOR})s" in connector.query
    parts = [connector.url, connector.headers, connector.body]
    return VISITOR in names_in_all(parts if connector.kind == Connector.Kind.HTTP else connector.body)


def _is_theirs(connector: Connector, row: Row, visitor: str) -> bool:
    """Raises Failed where the owner is not told: then nobody may see it."""
    if not (connector.is_personal and connector.owner_column):
        return True
    if row.get(connector.owner_column) is None:
        raise Failed(
            _("The reply has no column “%(name)s”, which tells whose it is.")
            % {"name": connector.owner_column}
        )
    return str(row[connector.owner_column]) == visitor


def _worded(connector: Connector, row: Row, values: Values) -> str:
    """Fills the template with texts only: a template cannot reach into what a system returns."""
    status = str(row.get("status"))
    own = connector.by_status.get(status, connector.template)
    template = in_language(own, connector.by_status_en.get(status, connector.template_en))
    return fill(template, values | {name: _text(value) for name, value in row.items()})


def _text(value: Any) -> str:
    if isinstance(value, date):
        return _("%(month)d/%(day)d") % {"month": value.month, "day": value.day}
    return "" if value is None else str(value)


def told(trouble: Exception, connector: Connector) -> str:
    """Why it failed, for administrators."""
    text = str(trouble) or _("No answer within %(seconds)d seconds.") % {"seconds": SECONDS}
    return without_secret(text, connector)[:ERROR_CHARACTERS]


def without_secret(text: str, connector: Connector) -> str:
    """Some systems repeat the secret that they refuse: the whole of it, or the part behind “Bearer”."""
    for secret in {connector.secret, connector.secret.rpartition(" ")[2]} - {""}:
        text = text.replace(secret, "…")
    return text


def wake(tenant: Tenant, connector: Connector) -> None:
    """Has it asked again, however often it has failed."""
    shared.forget(breaker.key_of(place_of(tenant, connector)))


def sorry() -> str:
    return _("I cannot look this up right now. Please try again in a few minutes, or ask for a person.")


def log_in() -> str:
    return _(
        "This is personal, so I tell it only to whom it belongs. Please log in on our site and ask me again here. "
        "Or shall I call a colleague?"
    )
