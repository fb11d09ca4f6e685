"""How a tenant's ladder stands, for the admin to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from redis import RedisError

from inference import changes, degrade, health, shared
from inference.changes import Change
from inference.health import Health
from inference.models import Provider
from inference.places import changes_of, ladder_of, place_of
from tenants.models import Tenant

RUNGS = {
    "full": _("full answers by a model"),
    "light": _("light answers by a small model"),
    "extract": _("passages as they stand"),
    "human": _("only people"),
}
STATES = {"closed": _("asked"), "open": _("left alone"), "half_open": _("being tried")}
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


@dataclass(frozen=True)
class Row:
    provider: Provider
    health: Health

    @property
    def state(self) -> Any:
        return STATES[self.health.state]

    @property
    def load(self) -> int | None:
        return None if self.health.load is None else round(100 * self.health.load)

    @property
    def errors(self) -> int:
        return round(100 * self.health.errors)


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
        return WHYS.get(self.change.why, self.change.why)

    @property
    def _words(self) -> dict[str, Any]:
        return RUNGS if self.change.kind == "rung" else STATES


def status(tenant: Tenant, providers: tuple[Provider, ...]) -> dict[str, Any]:
    """Context for a page; {} where Redis cannot be asked."""
    places = [place_of(tenant, provider) for provider in providers]
    keys = [ladder_of(tenant), *(key for place in places for key in health.values_of(place))]
    try:
        seen, (lines,) = shared.read(keys, [health.figures_of(one) for one in places], [changes_of(tenant)])
    except RedisError:
        return {}
    standing = degrade.unpacked(seen.values[0])
    known = [health.judged(seen.values[2 * n + 1 : 2 * n + 3], sums) for n, sums in enumerate(seen.sums)]
    return {
        "is_full": standing.rung == "full",
        "rung": RUNGS[standing.rung],
        "why": WHYS.get(standing.why, standing.why),
        "servers": [Row(*both) for both in zip(providers, known, strict=True)],
        "changes": [Line(changes.unpacked(line)) for line in lines],
    }
