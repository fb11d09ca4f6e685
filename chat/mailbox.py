"""What waits for one receiver on a channel of our layer."""

from __future__ import annotations

import asyncio
from typing import Any

from chat.losses import lost

Message = dict[str, Any]


class Mailbox:
    """What waits for one receiver: at most `capacity` messages. More are dropped until it has read all, then it is told."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.groups: set[bytes] = set()
        self.readers = 0
        self.overflowed = False

    def is_full(self) -> bool:
        return self.overflowed or self.messages.qsize() >= self.capacity

    def put(self, message: Message) -> None:
        if not self.is_full():
            self.messages.put_nowait(message)
        elif not self.overflowed:
            self.overflowed = True
            self.messages.put_nowait(lost(None))

    def is_deserted(self) -> bool:
        """Nobody reads it, nothing is in it and no group knows it."""
        return not (self.readers or self.groups or self.messages.qsize())

    async def get(self) -> Message:
        self.readers += 1
        try:
            message = await self.messages.get()
        finally:
            self.readers -= 1
        if self.messages.empty():
            self.overflowed = False
        return message
