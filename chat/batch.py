"""What goes to Redis in one write, and who waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Batch:
    asks: set[bytes] = field(default_factory=set)  # names to subscribe to
    drops: set[bytes] = field(default_factory=set)
    posts: dict[bytes, list[bytes]] = field(default_factory=dict)  # packed messages by name
    size: int = 0  # bytes in `posts`
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    missed: bool = False  # messages may have passed before `asks` took effect

    async def taken(self) -> None:
        """Returns when Redis has done all of it, or never will."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        await waiter

    def release(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
