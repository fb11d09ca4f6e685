from __future__ import annotations

import asyncio
from typing import Any

from chat.line import MOST_CHARACTERS, MOST_FRAMES, Line


class Client:
    """Reads only while it is let."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.reads = asyncio.Event()
        self.given_up = 0
        self.line = Line(self.take, self.give_up)

    async def take(self, event: dict[str, Any]) -> None:
        await self.reads.wait()
        self.got.append(event["text"])

    def give_up(self) -> None:
        self.given_up += 1


async def test_it_sends_everything_in_order() -> None:
    client = Client()
    client.reads.set()
    for n in range(5):
        client.line.put(str(n))
        if n % 2:
            await client.line.empty()
    await client.line.empty()
    assert client.got == ["0", "1", "2", "3", "4"]


async def test_it_gives_a_client_up_that_does_not_read() -> None:
    client = Client()
    for n in range(MOST_FRAMES + 50):
        client.line.put(str(n))
        await asyncio.sleep(0)
    assert client.given_up == 1
    client.reads.set()
    await client.line.empty()
    client.line.put("more")
    assert client.got == [] and not client.line.is_open


async def test_it_counts_what_frames_weigh() -> None:
    client = Client()
    client.line.put("x" * MOST_CHARACTERS)
    assert client.given_up == 0
    client.line.put("x")
    assert client.given_up == 1


async def test_it_lives_with_a_client_that_is_gone() -> None:
    async def fails(event: dict[str, Any]) -> None:
        raise OSError

    line = Line(fails, lambda: None)
    line.put("hello")
    await line.empty()
    line.put("hello?")
    assert not line.is_open
