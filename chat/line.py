"""Frames on their way to one client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

MOST_FRAMES = 256
MOST_CHARACTERS = 1_000_000


class Line:
    """In order, and at most 256 frames or a million characters of them: a client that does not read is given up, not waited for.

    `send` is the server's, and `write` too where it offers that (kefu.wire): True when it has taken a text at once. `overflow` is
    called once, when the client is given up.
    """

    __slots__ = ("_drain", "_overflow", "_send", "_size", "_waiting", "_write", "is_open")

    def __init__(
        self,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        overflow: Callable[[], None],
        write: Callable[[str], bool] = lambda text: False,
    ) -> None:
        self._send = send
        self._write = write
        self._overflow = overflow
        self._waiting: deque[str] = deque()
        self._size = 0
        self._drain: asyncio.Task[None] | None = None
        self.is_open = True

    def put(self, text: str) -> None:
        if not self.is_open or (self._drain is None and self._write(text)):
            return
        self._waiting.append(text)
        self._size += len(text)
        if len(self._waiting) > MOST_FRAMES or self._size > MOST_CHARACTERS:
            self.cut()
            self._overflow()
        elif self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                text = self._waiting.popleft()
                self._size -= len(text)
                await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError):  # the client is gone: the server says so, each in its own words
            self.is_open = False
            self._waiting.clear()
        finally:
            self._drain = None

    async def empty(self) -> None:
        """Returns when everything has been handed to the server."""
        if self._drain:
            await asyncio.wait([self._drain])

    def cut(self) -> None:
        """Drops what waits; nothing more is sent."""
        self.is_open = False
        self._waiting.clear()
        self._size = 0
        if self._drain:
            self._drain.cancel()
