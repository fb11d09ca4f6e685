"""How a tenant's ladder stands, for the admin to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from redis import RedisError

from inference import changes, degrade, health, shared
from inference.changes import Change
from inference.health import Health
from inference.models import Connector, Provider
from inference.places import changes_of, ladder_of, place_of
from tenants.models import Tenant

RUNGS = {
    "full": _("full answers by a model"),
    "light": _("light answers by a small model"),
    "extract": _("passages as they stand"),
    "human": _("only people"),
}
STATES = {"closed": _("in use"), "open": _("left alone"), "half_open": _("being tried")}
WHYS = {
    "": "",
    "wait": _("questions wait too long"),
    "load": _("the model server is busy"),
    "first token": _("the first words take too long"),
    "errors": _("too many questions fail"),
    "breaker": _("the model server fails"),
    "allowance": _("more is not allowed"),
    "no provider": _("there is no such provider"),
}

Asked = Sequence[Provider | Connector]


@dataclass(frozen=True)
class Row:
    asked: Provider | Connector
    health: Health

    @property
    def title(self) -> str:
        return str(self.asked)

    @property
    def state(self) -> Any:
        return STATES[self.health.state]

    @property
    def load(self) -> int | None:
        return None if self.health.load is None else round(100 * self.health.load)

    @property
    def errors(self) -> int | None:
        """Per cent."""
        return round(100 * self.health.failed / self.health.asked) if self.health.asked else None


@dataclass(frozen=True)
class Line:
    change: Change

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.change.at, UTC)

    @property
    def before(self) -> Any:
        return self._words[self.change.before]

    @property
    def after(self) -> Any:
        return self._words[self.change.after]

    @property
    def why(self) -> Any:
        """Of a step down; what had pressed before is no reason to go up."""
        rungs, change = [*RUNGS], self.change
        is_up = change.kind == "rung" and rungs.index(change.after) < rungs.index(change.before)
        return "" if is_up else WHYS.get(change.why, change.why)

    @property
    def _words(self) -> dict[str, Any]:
        return RUNGS if self.change.kind == "rung" else STATES


def status(tenant: Tenant, providers: tuple[Provider, ...]) -> dict[str, Any]:
    """Context for a page; {} where Redis cannot be asked."""
    try:
        (ladder, *rest), sums, (lines,) = _read(tenant, providers, [ladder_of(tenant)], [changes_of(tenant)])
    except RedisError:
        return {}
    standing = degrade.unpacked(ladder)
    return {
        "is_full": standing.rung == "full",
        "rung": RUNGS[standing.rung],
        "why": WHYS.get(standing.why, standing.why),
        "servers": _rows(providers, rest, sums),
        "changes": [Line(changes.unpacked(line)) for line in lines],
    }


def rows(tenant: Tenant, connectors: Sequence[Connector]) -> list[Row]:
    """[] where Redis cannot be asked."""
    try:
        values, sums, _lists = _read(tenant, connectors)
    except RedisError:
        return []
    return _rows(connectors, values, sums)


def _read(tenant: Tenant, asked: Asked, values: Sequence[str] = (), lists: Sequence[str] = ()) -> Any:
    places = [place_of(tenant, one) for one in asked]
    keys = [*values, *(key for place in places for key in health.values_of(place))]
    seen, found = shared.read(keys, [health.figures_of(place) for place in places], lists)
    return seen.values, seen.sums, found


def _rows(asked: Asked, values: Sequence[bytes], sums: Sequence[Counter[str]]) -> list[Row]:
    known = [health.judged(values[2 * n : 2 * n + 2], sums[n]) for n in range(len(asked))]
    return [Row(*both) for both in zip(asked, known, strict=True)]
