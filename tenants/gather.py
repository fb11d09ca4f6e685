"""Many small calls, one round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from tenants.context import database_call
from tenants.models import Tenant

T = TypeVar("T")
R = TypeVar("R")
Waiting = deque[tuple[T, "asyncio.Future[R]"]]


class Gathered(Generic[T, R]):
    """What is asked for while a batch is under way travels together in the next one, at most `most` at once.

    `run` gets the items of a batch, in order, and gives back a result, or an exception to raise, for each. A caller that is cancelled
    takes nothing with it: its item is worked on all the same. Each event loop has its own batches, one under way at a time of those whose
    items have the same `key`.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]],
        most: int = 256,
        key: Callable[[T], Hashable] = lambda item: None,
    ) -> None:
        self.run = run
        self.most = most
        self.key = key
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Waiting[T, R]]] = (
            WeakKeyDictionary()
        )
        self._flights: set[asyncio.Task[None]] = set()  # the loop itself keeps tasks only weakly

    def __call__(self, item: T) -> asyncio.Future[R]:
        loop, key = asyncio.get_running_loop(), self.key(item)
        future: asyncio.Future[R] = loop.create_future()
        by_key = self._waiting.setdefault(loop, {})
        waiting = by_key.get(key)
        if waiting is None:
            waiting = by_key[key] = deque()
            flight = loop.create_task(self._fly(by_key, key))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        waiting.append((item, future))
        return future

    async def idle(self) -> None:
        """Returns when nothing of this loop is waiting or under way."""
        while flights := [
            flight for flight in self._flights if flight.get_loop() is asyncio.get_running_loop()
        ]:
            await asyncio.wait(flights)

    async def _fly(self, by_key: dict[Hashable, Waiting[T, R]], key: Hashable) -> None:
        waiting = by_key[key]
        try:
            while waiting:
                batch = [waiting.popleft() for _ in range(min(self.most, len(waiting)))]
                await self._one_batch(batch)
        finally:
            del by_key[key]
            for _item, future in waiting:
                future.cancel()

    async def _one_batch(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self.run([item for item, _future in batch])
        except Exception as error:  # the batch failed as a whole: everybody in it is told
            results = [error] * len(batch)
        for (_item, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)


def of_tenants(function: Callable[[list[T]], Sequence[R]], most: int = 256) -> Gathered[tuple[Tenant, T], R]:
    """`database_call`s of a `function` that takes many items and has a result for each: a tenant's travel together, and no other's."""

    async def run(asked: list[tuple[Tenant, T]]) -> Sequence[R]:
        newest, _item = asked[-1]
        return await database_call(newest, function, [item for _tenant, item in asked])

    return Gathered(run, most, key=lambda asked: asked[0].schema_name)
