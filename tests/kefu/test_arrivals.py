"""A crowd at the door: no more are begun than are answered, in order, and nobody waits for what is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect

from kefu import arrivals
from kefu.web import OPTIONS


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(arrivals, "MOST", 2)
    yield
    arrivals._held.clear()
    arrivals._arriving.clear()


class Crowd:
    """An application that answers those who came when it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_enter, self.may_hear = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        self.begun.append(scope["path"])
        await self.may_enter.wait()
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await self.may_hear.wait()
            await send({"type": "websocket.send", "text": "welcome"})


@asynccontextmanager
async def serving(app: Crowd) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", **OPTIONS))  # type: ignore[arg-type]
    work = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await work


async def status(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


async def come(port: int, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"GET /{name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode())
    await status(port)  # came later, so the other is there
    return reader, writer


async def test_it_begins_no_more_sockets_than_it_can_answer_and_serves_requests_all_the_same() -> None:
    app = Crowd()
    async with serving(app) as port:
        lines = [await come(port, name) for name in "abcde"]
        assert app.begun == ["/a", "/b"]
        lines[2][1].close()  # gives up
        assert b"204" in await status(port)
        app.may_enter.set()
        for reader, _writer in (lines[0], lines[1], lines[3], lines[4]):
            assert b"101" in await reader.readline()
        assert app.begun == ["/a", "/b", "/d", "/e"]
        for _reader, writer in lines:
            writer.close()


async def test_those_who_have_said_hello_come_before_those_at_the_door() -> None:
    app = Crowd()
    app.may_enter.set()
    async with serving(app) as port, AsyncExitStack() as stack:
        inside = [await stack.enter_async_context(connect(f"ws://127.0.0.1:{port}/{name}")) for name in "abc"]
        assert app.begun == ["/a", "/b", "/c"]  # silent ones keep nobody out
        for line in inside[:2]:
            await line.send("hello")
        await status(port)
        reader, writer = await come(port, "d")
        assert "/d" not in app.begun
        app.may_hear.set()
        assert [await line.recv() for line in inside[:2]] == ["welcome"] * 2
        assert b"101" in await reader.readline()
        writer.close()


async def test_nobody_waits_for_what_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "LONGEST", 0.0)
    begun, all_in = [], asyncio.Event()

    def begin(name: str) -> None:
        begun.append(name)
        arrivals.arrives(name)
        if name == "d":
            all_in.set()

    for name in "abcd":
        arrivals.hold(lambda name=name: begin(name))  # type: ignore[misc]
    await asyncio.wait_for(all_in.wait(), 10)
    assert begun == ["a", "b", "c", "d"]
    assert list(arrivals._arriving) == ["c", "d"]
