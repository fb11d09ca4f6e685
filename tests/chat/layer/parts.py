"""A Redis to harm, a cable to it that can be cut, and what tests of channel layers wait for."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import Redis

from kefu.dev import redis
from kefu.dev.processes import end

Make = Callable[..., Any]
LOST = {"type": "bell.lost", "groups": None}


@dataclass
class Store:
    """A Redis, and a line to it beside all layers."""

    folder: Path
    url: str

    def __post_init__(self) -> None:
        redis.start(self.folder, self.url)
        self.line = Redis.from_url(self.url)

    def signal(self, number: int) -> None:
        os.kill(redis.running(self.folder), number)

    def crash(self) -> None:
        end(redis.running(self.folder), ((signal.SIGKILL, 10.0),))

    def begin_anew(self) -> None:
        (self.folder / "dump.rdb").unlink(missing_ok=True)
        redis.start(self.folder, self.url)

    def lines(self) -> int:
        """How many connections it holds, ours included."""
        return len(self.line.client_list())

    def stop(self) -> None:
        self.line.close()
        if redis.running(self.folder):
            self.signal(signal.SIGCONT)
        redis.stop(self.folder)


def numbered(n: Any) -> dict[str, Any]:
    return {"type": "test", "n": n}


async def settled(store: Store, *layers: Any) -> None:
    """channels_redis does not wait until Redis has its subscriptions: this does. Ours needs no waiting."""
    names = [
        name
        for layer in layers
        if isinstance(layer, RedisPubSubChannelLayer)
        for name in layer._get_layer()._shards[0]._subscribed_to
    ]
    await until(lambda: all(n >= names.count(name.decode()) for name, n in store.line.pubsub_numsub(*names)))


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def heard(layer: Any, channel: str) -> Any:
    return await asyncio.wait_for(layer.receive(channel), 60)


async def reader(layer: Any, *groups: str) -> str:
    """A channel in `groups`."""
    channel: str = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    return channel


class Cable:
    """A port (or whatever `listen` opens) that leads to Redis, until it is cut."""

    def __init__(self, store: Store, listen: Callable[..., Any] | None = None) -> None:
        self.port, self.target = redis.free_port(), store.line.connection_pool.connection_kwargs["port"]
        self.listen = listen or (lambda plug: asyncio.start_server(plug, "127.0.0.1", self.port))
        self.url = store.url.replace(f":{self.target}/", f":{self.port}/")
        self.ends: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        self.server = await self.listen(self._plug)

    async def cut(self) -> None:
        self.server.close()
        for writer in self.ends:
            writer.transport.abort()

    async def _plug(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        self.ends |= {writer, forth}
        await asyncio.gather(_pass(reader, forth), _pass(back, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
