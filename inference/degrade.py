"""How much help can be afforded right now: one pure function of what is known about the model servers and of the tenant's policy."""

from __future__ import annotations

import time
from dataclasses import dataclass

from inference.models import Provider
from inference.turn import Rung, Turn
from kefu import metrics

COOLDOWN = 20.0  # seconds a provider is left alone after it failed FAILURES times in a row
FAILURES = 3


@dataclass(frozen=True)
class Signals:
    """What choosing depends on."""

    full_works: bool
    light_works: bool
    model_allowed: bool


def rung_for(signals: Signals) -> Rung:
    if not signals.model_allowed:
        return Rung.EXTRACT
    if signals.full_works:
        return Rung.FULL
    return Rung.LIGHT if signals.light_works else Rung.EXTRACT


async def choose_rung(turn: Turn) -> None:
    working = {provider.role for provider in turn.mind.providers if circuit(provider).is_closed}
    signals = Signals(
        Provider.Role.FULL in working,
        Provider.Role.LIGHT in working,
        turn.tenant.policy.use_model and not turn.used_up,
    )
    turn.rung = rung_for(signals)
    turn.note(rung=turn.rung, **({"used_up": turn.used_up} if turn.used_up else {}))
    metrics.RUNGS.labels(turn.rung).inc()


@dataclass
class Circuit:
    """Opens after failures in a row, so that visitors do not wait for a server that is gone."""

    failures: int = 0
    open_until: float = 0.0

    @property
    def is_closed(self) -> bool:
        return time.monotonic() >= self.open_until

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= FAILURES:
            self.open_until, self.failures = time.monotonic() + COOLDOWN, 0


_circuits: dict[tuple[str, str], Circuit] = {}


def circuit(provider: Provider) -> Circuit:
    return _circuits.setdefault((provider.base_url, provider.model), Circuit())
