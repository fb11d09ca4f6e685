from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from kefu.dev.redis import free_port
from tenants import counting
from tenants.redis import _clients, sync_redis

LONG = 10**9  # seconds: no window ends during a test


@pytest.fixture
def name(services: None) -> str:
    counting._windows.clear()
    counting._away_until = float("-inf")
    return uuid.uuid4().hex


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    sync_redis.cache_clear()
    yield
    sync_redis.cache_clear()


def as_another_process() -> None:
    """What this process counted is forgotten here; Redis has it."""
    counting._windows.clear()


async def told() -> None:
    while counting._untold or any(
        one.untold for window in counting._windows.values() for one in window.now.values()
    ):
        await asyncio.sleep(0.01)
    while counting._telling:
        await asyncio.sleep(0.01)


async def test_it_allows_what_is_allowed_and_then_says_how_long_to_wait(name: str) -> None:
    waits = [counting.take("acme", {name: 3}, LONG) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert all(wait > 0 for wait in waits[3:])
    assert counting.take("globex", {name: 3}, LONG) == 0


async def test_it_does_not_count_what_it_refuses(name: str) -> None:
    for _ in range(10):
        counting.take("acme", {name: 3}, LONG)
    assert counting.take("acme", {name: 4}, LONG) == 0


async def test_it_adds_up_what_several_processes_count(name: str) -> None:
    assert [counting.take("acme", {name: 3}, LONG) for _ in range(3)] == [0, 0, 0]
    await told()
    as_another_process()
    assert counting.take("acme", {name: 3}, LONG) == 0
    await told()
    assert counting.take("acme", {name: 4}, LONG) > 0


def test_it_asks_what_others_counted_before_it_allows_anything_in_a_thread(name: str) -> None:
    assert [counting.take_now("acme", {name: 3}, LONG) for _ in range(3)] == [0, 0, 0]
    as_another_process()
    assert counting.take_now("acme", {name: 3}, LONG) > 0
    assert counting.take_now("globex", {name: 3}, LONG) == 0


def test_it_refuses_when_one_of_several_is_used_up(name: str) -> None:
    assert counting.take_now("acme", {name: 1}, LONG) == 0
    assert counting.take_now("acme", {name: 1, "other" + name: 5}, LONG) > 0
    assert counting.take_now("acme", {"other" + name: 1}, LONG) == 0


def test_it_takes_many_at_once_or_none(name: str) -> None:
    waits = [counting.take_now("acme", {name: 10}, LONG, amount) for amount in (6, 6, 4, 1)]
    assert [bool(wait) for wait in waits] == [False, True, False, True]
    assert counting.take_now("globex", {name: 10}, LONG, 10) == 0


def test_it_takes_back_what_came_to_nothing(name: str) -> None:
    assert counting.take_now("acme", {name: 10}, LONG, 10) == 0
    counting.give_back("acme", [name], LONG, 4)
    as_another_process()
    waits = [counting.take_now("acme", {name: 10}, LONG, amount) for amount in (5, 4, 1)]
    assert [bool(wait) for wait in waits] == [True, False, True]


def test_it_takes_nothing_back_of_a_window_that_is_over(name: str) -> None:
    counting.give_back("acme", [name], LONG, 5)
    assert counting.take_now("acme", {name: 3}, LONG, 3) == 0
    assert counting.take_now("acme", {name: 3}, LONG, 1) > 0


def test_it_leaves_nothing_counted_of_what_others_had_used_up(name: str) -> None:
    assert counting.take_now("acme", {name: 10}, LONG, 8) == 0
    as_another_process()
    assert counting.take_now("acme", {name: 10}, LONG, 5) > 0
    as_another_process()
    assert counting.take_now("acme", {name: 10}, LONG, 2) == 0


def test_it_is_exact_whatever_threads_take_at_once(name: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _n: counting.take_now("acme", {name: 100}, LONG, 7), range(64)))
    assert sum(not wait for wait in waits) == 14


async def test_it_counts_by_itself_while_redis_is_away(name: str, no_redis: None) -> None:
    assert [bool(counting.take("acme", {name: 3}, LONG)) for _ in range(4)] == [False, False, False, True]
    in_a_thread = await asyncio.to_thread(
        lambda: [bool(counting.take_now("acme", {"thread" + name: 3}, LONG)) for _ in range(4)]
    )
    assert in_a_thread == [False, False, False, True]


async def test_it_tells_redis_later_what_it_counted_without_it(
    name: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "AWAY", 0.05)
    there = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    counting.take("acme", {name: 3}, LONG)
    while counting._away_until < 0:
        await asyncio.sleep(0.01)
    settings.REDIS_URL = there
    _clients.clear()
    await told()
    as_another_process()
    assert counting.take_now("acme", {name: 2}, LONG) == 0
    assert counting.take_now("acme", {name: 2}, LONG) > 0


def test_it_lets_no_twofold_flood_through_at_the_edge_of_a_window(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=6_000_059.0, monotonic=time.monotonic)
    clock.time = lambda: clock.now
    monkeypatch.setattr(counting, "time", clock)

    def allowed() -> int:
        return sum(not counting.take_now("acme", {name: 30}, 60) for _ in range(60))

    at_the_end, clock.now = allowed(), 6_000_061.0
    just_after, clock.now = allowed(), 6_000_090.0
    assert (at_the_end, just_after) == (30, 0)
    half_a_window_later = allowed()
    wait, clock.now = counting.take_now("acme", {name: 30}, 60), clock.now
    assert 10 <= half_a_window_later <= 15
    clock.now += wait
    assert counting.take_now("acme", {name: 30}, 60) == 0


async def test_it_remembers_only_so_many_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST", 10)
    for number in range(100):
        counting.take("acme", {f"{name}{number}": 3}, LONG)
    assert len(counting._windows[LONG].now) <= 10
