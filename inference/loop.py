"""The worker process's one asyncio loop, on which every answer streams; task threads only wait on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], timeout: float) -> T:
    """The coroutine's result. Raises TimeoutError after `timeout` seconds, having cancelled it."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise


def leave(grace: float) -> None:
    """Cancels what still runs in `grace` seconds, because the process is about to end. Returns at once; for signal handlers, too."""
    _loop().call_soon_threadsafe(_loop().call_later, grace, _cancel_all)


def has_left() -> bool:
    """Whether that has been done: who was cancelled may ask if this was the reason."""
    return _left.is_set()


@contextmanager
def cancelled_on_leaving(future: asyncio.Future[Any]) -> Iterator[None]:
    """On the loop."""
    _running.add(future)
    if has_left():
        future.cancel()
    try:
        yield
    finally:
        _running.discard(future)


_running: set[asyncio.Future[Any]] = set()
_left = threading.Event()


def _cancel_all() -> None:
    _left.set()
    for future in _running:
        future.cancel()


_making = threading.RLock()


def _loop() -> asyncio.AbstractEventLoop:
    with _making:  # `cache` alone makes two for the first tasks of a worker, when they come together
        return _made()


@cache
def _made() -> asyncio.AbstractEventLoop:
    loop = uvloop.new_event_loop()
    threading.Thread(target=loop.run_forever, name="answers", daemon=True).start()
    return loop
