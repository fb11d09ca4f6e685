from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from inference import breaker, changes, shared
from inference.breaker import (
    COOL_DOWN,
    FAILURES,
    LONGEST_COOL_DOWN,
    TRY,
    Breaker,
    State,
    failed,
    succeeded,
    tried,
)
from inference.models import Provider
from inference.places import changes_of, place_of
from tenants.models import Tenant

NOW = 1000.0


def after_failures(count: int, one: Breaker | None = None) -> Breaker:
    one = one or Breaker()
    for _ in range(count):
        one = failed(one, NOW)
    return one


def test_it_opens_after_failures_in_a_row() -> None:
    assert after_failures(FAILURES - 1).state(NOW) == State.CLOSED
    assert after_failures(FAILURES).state(NOW) == State.OPEN


def test_it_counts_only_failures_in_a_row() -> None:
    one = Breaker()
    for _ in range(3):
        one = succeeded(after_failures(FAILURES - 1, one), NOW)
    assert one == Breaker()


def test_it_lets_one_try_when_it_has_cooled_down() -> None:
    opened = after_failures(FAILURES)
    assert opened.state(NOW + COOL_DOWN - 1) == State.OPEN
    assert opened.state(NOW + COOL_DOWN) == State.HALF_OPEN
    trying = tried(opened, NOW + COOL_DOWN)
    assert trying.state(NOW + COOL_DOWN + 1) == State.OPEN
    assert succeeded(trying, NOW + COOL_DOWN + 1) == Breaker()


def test_it_cools_down_longer_after_each_try_that_failed() -> None:
    one, now, pauses = after_failures(FAILURES), NOW, []
    for _ in range(6):
        pauses.append(one.open_until - now)
        now = one.open_until
        one = failed(tried(one, now), now)
    assert pauses == [COOL_DOWN, 2 * COOL_DOWN, 4 * COOL_DOWN, 8 * COOL_DOWN, *[LONGEST_COOL_DOWN] * 2]


def test_it_lets_another_try_where_the_first_was_never_heard_of_again() -> None:
    trying = tried(after_failures(FAILURES), NOW + COOL_DOWN)
    assert trying.state(NOW + COOL_DOWN + TRY) == State.HALF_OPEN
    assert breaker.let_go(trying).state(NOW + COOL_DOWN) == State.HALF_OPEN


def test_it_opens_at_once_for_as_long_as_the_server_asks() -> None:
    one = failed(Breaker(), NOW, wait=70)
    assert (one.state(NOW + 69), one.state(NOW + 70)) == (State.OPEN, State.HALF_OPEN)
    assert failed(Breaker(), NOW, wait=86_400).open_until == NOW + LONGEST_COOL_DOWN


@pytest.mark.parametrize("comes_in", [failed, succeeded])
def test_it_is_not_moved_by_what_was_asked_before_it_opened(comes_in: Callable[..., Breaker]) -> None:
    opened = after_failures(FAILURES)
    assert comes_in(opened, NOW + 1) == opened


# --- For all workers together -----------------------------------------------------------------------------------------


def a_provider() -> Provider:
    return Provider(name="云", base_url=f"http://127.0.0.1:9/{time.monotonic_ns()}", model="any")


async def state(tenant: Tenant, provider: Provider) -> State:
    packed = (await shared.look([breaker.key_of(place_of(tenant, provider))])).values[0]
    return breaker.unpacked(packed).state(time.time())


async def fail(tenant: Tenant, provider: Provider) -> None:
    for _ in range(FAILURES):
        await breaker.tell(tenant, provider, works=False)


@pytest.mark.parametrize("away", [False, True])
async def test_it_is_the_same_for_all_and_another_for_the_neighbour(
    live_acme: Tenant, live_globex: Tenant, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if away:  # Redis: then each process goes on alone
        monkeypatch.setattr(shared, "_is_away", lambda: True)
    provider = a_provider()
    await fail(live_acme, provider)
    assert not await breaker.may_ask(live_acme, provider)
    assert await breaker.may_ask(live_globex, provider)
    if not away:
        shared._known = shared.Known()  # another process
        assert await state(live_acme, provider) == State.OPEN
        line = shared.read([], [], [changes_of(live_acme)])[1][0][0]
        change = changes.unpacked(line)
        assert (change.kind, change.name, change.before, change.after) == ("breaker", "云", "closed", "open")
        assert shared.read([], [], [changes_of(live_globex)])[1] == [[]]


async def test_it_lets_exactly_one_of_many_try(live_acme: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN", 0.0)
    provider = a_provider()
    await fail(live_acme, provider)
    may = await asyncio.gather(*(breaker.may_ask(live_acme, provider) for _ in range(20)))
    assert sum(may) == 1
    await breaker.tell(live_acme, provider, works=None)  # called off: the next one may
    assert await breaker.may_ask(live_acme, provider)
    assert not await breaker.may_ask(live_acme, provider)
    await breaker.tell(live_acme, provider, works=True)
    assert await state(live_acme, provider) == State.CLOSED


async def test_it_notes_that_the_one_try_failed_too(live_acme: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN", 0.0)
    provider = a_provider()
    await fail(live_acme, provider)
    assert await breaker.may_ask(live_acme, provider)
    monkeypatch.setattr(breaker, "COOL_DOWN", 10.0)
    await breaker.tell(live_acme, provider, works=False)
    change = changes.unpacked(shared.read([], [], [changes_of(live_acme)])[1][0][0])
    assert (change.before, change.after) == ("half_open", "open")


async def test_it_loses_no_failure_of_many_that_come_together(live_acme: Tenant) -> None:
    provider = a_provider()
    await asyncio.gather(*(breaker.tell(live_acme, provider, works=False) for _ in range(FAILURES)))
    assert await state(live_acme, provider) == State.OPEN


async def test_it_is_one_for_all_tenants_where_the_server_is_the_installations(
    live_acme: Tenant, live_globex: Tenant, settings: Any
) -> None:
    provider = a_provider()
    settings.LLM_BASE_URL = provider.base_url
    await fail(live_acme, provider)
    assert not await breaker.may_ask(live_globex, provider)
