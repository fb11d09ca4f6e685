"""A worker has one loop, also when its first tasks come together."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from inference import loop


def test_it_makes_one_loop_for_tasks_that_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    together, make = threading.Barrier(2), asyncio.new_event_loop

    def make_slowly() -> asyncio.AbstractEventLoop:
        with suppress(threading.BrokenBarrierError):
            together.wait(1)  # for a second one that is being made
        return make()

    async def where() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loop._made.cache_clear()
    monkeypatch.setattr(asyncio, "new_event_loop", make_slowly)
    with ThreadPoolExecutor(4) as threads:
        seen = [*threads.map(lambda _: loop.run(where(), timeout=30), range(4))]
    assert len({*map(id, seen)}) == 1
