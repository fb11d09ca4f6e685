"""What is known of a model server or a business system from its answers of the last minute, by all workers together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inference import breaker, load, shared
from inference.breaker import Breaker, State
from inference.models import Connector, Provider
from inference.places import place_of
from tenants.models import Tenant

ENOUGH = 5  # requests, below which a share of failures means nothing


@dataclass(frozen=True)
class Health:
    state: State = State.CLOSED
    load: float | None = None  # 0 to 1; None: not known
    # Seconds, the mean of the last minute; of a business system, until the answer.
    first_token: float | None = None
    errors: float = 0.0  # share of the last minute's requests, if these were enough to mean anything
    asked: int = 0  # ... of which there were so many
    failed: int = 0

    @property
    def may_be_asked(self) -> bool:
        return self.state != State.OPEN


async def count(
    tenant: Tenant, asked: Provider | Connector, *, works: bool, first_token: float | None = None
) -> None:
    """One request."""
    amounts = {"asked": 1, "failed": 0 if works else 1}
    if first_token is not None:
        amounts |= {"began": 1, "first_ms": round(first_token * 1000)}
    await shared.add(figures_of(place_of(tenant, asked)), amounts)


def figures_of(place: str) -> str:
    return f"{place}:figures"


def values_of(place: str) -> tuple[str, str]:
    """The keys of a breaker and of a load."""
    return breaker.key_of(place), load.key_of(place)


def judged(values: Sequence[bytes], sums: Counter[str]) -> Health:
    """From what is found under the keys of `values_of` and `figures_of`."""
    packed_breaker, packed_load = values
    told: Breaker = breaker.unpacked(packed_breaker)
    began, asked = sums["began"], sums["asked"]
    return Health(
        told.state(time.time()),
        load.unpacked(packed_load),
        sums["first_ms"] / began / 1000 if began else None,
        sums["failed"] / asked if asked >= ENOUGH else 0.0,
        asked,
        sums["failed"],
    )
