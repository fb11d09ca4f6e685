"""A circuit breaker for each provider and connector, shared by all processes: nobody waits for what is gone, and one tries it again."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum

import msgpack

from inference import changes, shared
from inference.models import Connector, Provider
from inference.places import place_of
from kefu import metrics
from tenants.models import Tenant

FAILURES = 3  # in a row, after which nobody asks
COOL_DOWN = 20.0  # seconds; twice as long after each try that failed
LONGEST_COOL_DOWN = 300.0
TRY = 90.0  # seconds after which a try that was never heard of again is forgotten
TIMES = 5  # that a change is tried when others change the same breaker


class State(StrEnum):
    CLOSED = "closed"  # asked as usual
    OPEN = "open"  # left alone
    HALF_OPEN = "half_open"  # one may try


@dataclass(frozen=True)
class Breaker:
    """Times are seconds on the wall clock, which machines share well enough for this."""

    failures: int = 0  # in a row
    openings: int = 0  # in a row
    open_until: float = 0.0
    tried_at: float = 0.0  # when somebody began the one try

    def state(self, now: float) -> State:
        if not self.openings:
            return State.CLOSED
        return State.OPEN if now < self.open_until or self.is_tried(now) else State.HALF_OPEN

    def is_tried(self, now: float) -> bool:
        return now < self.tried_at + TRY


def tried(breaker: Breaker, now: float) -> Breaker:
    return replace(breaker, tried_at=now)


def let_go(breaker: Breaker) -> Breaker:
    """Who tried was called away."""
    return replace(breaker, tried_at=0.0)


# What was asked before a breaker opened says nothing when it comes in afterwards: only the one try does.


def failed(breaker: Breaker, now: float, wait: float = 0.0) -> Breaker:
    """`wait`: seconds for which the server itself asks to be left alone."""
    if breaker.openings and not breaker.is_tried(now):
        return breaker
    failures = breaker.failures + 1
    if failures < FAILURES and not breaker.openings and not wait:
        return replace(breaker, failures=failures)
    pause = max(COOL_DOWN * 2**breaker.openings, wait)
    return Breaker(0, breaker.openings + 1, now + min(pause, LONGEST_COOL_DOWN))


def succeeded(breaker: Breaker, now: float) -> Breaker:
    return breaker if breaker.openings and not breaker.is_tried(now) else Breaker()


# --- Shared -----------------------------------------------------------------------------------------------------------


def key_of(place: str) -> str:
    return f"{place}:breaker"


def unpacked(packed: bytes) -> Breaker:
    return Breaker(*msgpack.unpackb(packed)) if packed else Breaker()


def _packed(breaker: Breaker) -> bytes:
    if breaker == Breaker():
        return b""
    packed: bytes = msgpack.packb((breaker.failures, breaker.openings, breaker.open_until, breaker.tried_at))
    return packed


async def may_ask(tenant: Tenant, asked: Provider | Connector) -> bool:
    """Whether this caller may. Where only one may try, it is the one from now on, and must tell how it went."""
    key, now = key_of(place_of(tenant, asked)), time.time()
    packed = (await shared.look([key])).values[0]
    state = unpacked(packed).state(now)
    if state == State.HALF_OPEN:
        return await shared.swap(key, packed, _packed(tried(unpacked(packed), now)))
    return state == State.CLOSED


async def tell(tenant: Tenant, asked: Provider | Connector, *, works: bool | None, wait: float = 0.0) -> None:
    """How a request went; None: it was called off. A change of state is noted for everybody to see."""
    key = key_of(place_of(tenant, asked))
    for _ in range(TIMES):
        now = time.time()
        packed = (await shared.look([key])).values[0]
        before = unpacked(packed)
        after = _after(before, now, works, wait)
        if _packed(after) == packed:
            return
        if await shared.swap(key, packed, _packed(after)):
            await _announce(tenant, asked.name, before, after, now)
            return


def _after(breaker: Breaker, now: float, works: bool | None, wait: float) -> Breaker:
    if works is None:
        return let_go(breaker)
    return succeeded(breaker, now) if works else failed(breaker, now, wait)


async def _announce(tenant: Tenant, name: str, before: Breaker, after: Breaker, now: float) -> None:
    if after.openings == before.openings:
        return
    state = after.state(now)
    metrics.BREAKERS.labels(state).inc()
    old = State.HALF_OPEN if before.openings else State.CLOSED  # once open, only the one try changes anything
    await changes.note(tenant, "breaker", name, old, state)
