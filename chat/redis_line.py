"""One connection to Redis on which a loop both publishes and hears what others publish.

RESP3 allows that: answers come in the order of the commands, and what was published is pushed in between
(https://redis.io/docs/latest/develop/reference/protocol-spec/). Redis 6 or later, or Valkey.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url

GREETING = 2  # seconds that a connection may take until Redis has said hello
_NOTHING = object()


def command(*words: bytes | str) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows tuples of one only
    return packed


PING = command("PING")


class Line(asyncio.Protocol):
    """`heard(name, data)` is called for what was published; `answered(refusal)` for each PONG, with the first error since the last.

    Redis answers a PING after everything that was written before it, so that one PING tells of many commands.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        heard: Callable[[bytes, bytes], None],
        answered: Callable[[hiredis.ReplyError | None], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.heard, self.answered = heard, answered
        self.reader = hiredis.Reader(notEnoughData=_NOTHING)
        self.greeting: asyncio.Future[Any] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.refusal: hiredis.ReplyError | None = None
        self.is_silent = False  # nothing has come since somebody set this

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.is_silent = False
        self.reader.feed(data)
        while (said := self.reader.gets()) is not _NOTHING:
            if type(said) is hiredis.PushNotification:
                if said[0] == b"message":
                    self.heard(said[1], said[2])
            elif not self.greeting.done():
                self.greeting.set_result(said)
            elif said == b"PONG":
                refusal, self.refusal = self.refusal, None
                self.answered(refusal)
            elif isinstance(said, hiredis.ReplyError):
                self.refusal = self.refusal or said

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    async def greet(self, login: tuple[str, ...]) -> None:
        """Raises OSError when Redis does not want us, or speaks another language."""
        self.transport.write(command("HELLO", "3", *login))
        await asyncio.wait([self.greeting, self.lost], return_when=asyncio.FIRST_COMPLETED)
        said = self.greeting.result() if self.greeting.done() else "it hung up"
        if not isinstance(said, dict):
            raise ConnectionError(str(said))


@dataclass(frozen=True)
class Address:
    path: str
    host: str
    port: int
    database: int
    tls: ssl.SSLContext | None
    login: tuple[str, ...] = field(repr=False)


def read_address(url: str) -> Address:
    """redis://, rediss:// (with `ssl_ca_certs` and its like, as redis-py knows them) or unix://."""
    options: dict[str, Any] = dict(parse_url(url))
    is_tls = options.pop("connection_class", None) is SSLConnection
    password = options.get("password")
    return Address(
        options.get("path", ""),
        options.get("host", "localhost"),
        options.get("port", 6379),
        options.get("db", 0),
        SSLConnection(**options).ssl_context.get() if is_tls else None,
        ("AUTH", options.get("username", "default"), password) if password else (),
    )


async def connect(address: Address, line: Line) -> None:
    """Raises OSError, TimeoutError among them."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(GREETING):
            if address.path:
                await loop.create_unix_connection(lambda: line, address.path)
            else:
                await loop.create_connection(lambda: line, address.host, address.port, ssl=address.tls)
            await line.greet(address.login)
    except BaseException:
        if hasattr(line, "transport"):
            line.transport.abort()
        raise
