"""A language model that does as it is told: OpenAI's chat completions on loopback, scripted by the model's name.

    with ModelServer() as server:
        Provider(base_url=server.url, model="cut", ...)
        ...
        assert server.requests[0].left.wait(1)

`says:one|two` streams the pieces "one" and "two"; `asked` runs the script that the question names in brackets: "退货 [endless]".
The other names are the keys of SCRIPTS.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

TICK = 0.01  # seconds between two tokens of an endless answer


@dataclass
class Request:
    """What a client asked, and how that ended."""

    body: dict[str, Any]
    headers: dict[str, str]
    left: threading.Event = field(default_factory=threading.Event)  # the client hung up before the end
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def question(self) -> str:
        return str(self.body["messages"][-1]["content"])

    @property
    def said(self) -> str:
        """Everything that the model got to read."""
        return "\n".join(message["content"] for message in self.body["messages"])


class Reply:
    """The answer on its way: HTTP in chunks, so that a missing end is noticed."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def status(self, status: int, body: dict[str, Any], **headers: str) -> None:
        payload = json.dumps(body).encode()
        self._head(
            status, {"Content-Type": "application/json", "Content-Length": str(len(payload)), **headers}
        )
        self._writer.write(payload)
        await self._writer.drain()

    async def begin(self) -> None:
        self._head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        await self._writer.drain()

    async def event(self, data: str) -> None:
        payload = f"data: {data}\n\n".encode()
        self._writer.write(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")
        await self._writer.drain()

    async def token(self, text: str) -> None:
        await self.event(json.dumps(_chunk({"delta": {"content": text}})))

    async def end(self) -> None:
        await self.event(json.dumps(_chunk({"delta": {}, "finish_reason": "stop"})))
        await self.event("[DONE]")
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._writer.write(f"HTTP/1.1 {status} Scripted\r\n{lines}Connection: close\r\n\r\n".encode())


def _chunk(choice: dict[str, Any]) -> dict[str, Any]:
    choices = [{"index": 0, "finish_reason": None, **choice}]
    return {
        "id": "scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "scripted",
        "choices": choices,
    }


# --- What a model can do ----------------------------------------------------------------------------------------------

Script = Callable[[Request, Reply], Awaitable[None]]


def says(*pieces: str) -> Script:
    async def script(request: Request, reply: Reply) -> None:
        await reply.begin()
        for piece in pieces:
            await reply.token(piece)
        await reply.end()

    return script


async def echo(request: Request, reply: Reply) -> None:
    await says(request.question)(request, reply)


async def endless(request: Request, reply: Reply) -> None:
    await reply.begin()
    while True:
        await reply.token("还有")
        await asyncio.sleep(TICK)


async def slow(request: Request, reply: Reply) -> None:
    await reply.begin()
    for number in range(10):
        await reply.token(f"{number} ")
        await asyncio.sleep(0.1)
    await reply.end()


async def stalls(request: Request, reply: Reply) -> None:
    await reply.begin()
    await reply.token("One moment")
    await asyncio.Event().wait()


async def silent(request: Request, reply: Reply) -> None:
    await asyncio.Event().wait()


async def cut(request: Request, reply: Reply) -> None:
    await reply.begin()
    await reply.token("It is so that")


async def garbage(request: Request, reply: Reply) -> None:
    await reply.begin()
    await reply.event("{this is not JSON")
    await reply.end()


async def odd(request: Request, reply: Reply) -> None:
    """JSON, but nobody's dialect."""
    await reply.begin()
    for data in ("{}", '{"choices": [{}]}', '{"choices": [{"delta": {"content": 7}}]}', "[1, 2]", '"text"'):
        await reply.event(data)
    await reply.end()


async def tells(request: Request, reply: Reply) -> None:
    """What it used up, after the answer, to who asked for it."""
    await reply.begin()
    await reply.token("可以换。")
    if request.body.get("stream_options", {}).get("include_usage"):
        usage = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}
        await reply.event(json.dumps(_chunk({}) | {"choices": [], "usage": usage}))
    await reply.end()


async def old(request: Request, reply: Reply) -> None:
    """Refuses what it does not know."""
    if "stream_options" in request.body:
        await reply.status(400, {"error": {"message": "unknown field stream_options", "type": "invalid"}})
    else:
        await says("可以换。")(request, reply)


async def fails(request: Request, reply: Reply) -> None:
    await reply.status(500, {"error": {"message": "out of memory", "type": "server_error"}})


async def too_many(request: Request, reply: Reply) -> None:
    await reply.status(
        429, {"error": {"message": "slow down", "type": "rate_limit"}}, **{"Retry-After": "30"}
    )


async def moved(request: Request, reply: Reply) -> None:
    location = f"http://{request.headers['host']}/v1/models"
    await reply.status(307, {}, Location=location)


SCRIPTS: dict[str, Script] = {
    "moved": moved,
    "echo": echo,
    "slow": slow,
    "endless": endless,
    "stalls": stalls,
    "silent": silent,
    "cut": cut,
    "garbage": garbage,
    "odd": odd,
    "tells": tells,
    "old": old,
    "fail-500": fails,
    "rate-429": too_many,
    "says-nothing": says(),
    "says-unknown": says("资料", "中没有", "相关信息。"),
    "promises": says("我已经为您", "退款。", "三天内到账，请留意短信。"),
}


def _script(request: Request) -> Script:
    name = request.body["model"]
    if name == "asked":
        named = re.search(r"\[(.+?)\]", request.question)
        name = named[1] if named else "echo"
    return says(*name.removeprefix("says:").split("|")) if name.startswith("says:") else SCRIPTS[name]


# --- The server -------------------------------------------------------------------------------------------------------


class ModelServer:
    """Listens on a free port of loopback, on a loop and a thread of its own, while the block lasts."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        host, port = self._server.sockets[0].getsockname()
        self.port, self.place = port, f"{host}:{port}"
        self.url = f"http://{self.place}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path, headers, body = await _read(reader)
            if path == "/v1/models":
                models = [{"id": name, "object": "model"} for name in SCRIPTS]
                await Reply(writer).status(200, {"object": "list", "data": models})
            else:
                await self._answer(Request(json.loads(body), headers), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever asked is gone, or we are closing
        finally:
            writer.close()

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests.append(request)
        answering = asyncio.ensure_future(_script(request)(request, Reply(writer)))
        gone = asyncio.ensure_future(reader.read(1))  # a client says nothing more until it hangs up
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not answering.exception():
                request.done.set()
            else:
                request.left.set()
        finally:
            answering.cancel()
            gone.cancel()
            await asyncio.gather(answering, gone, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split()[1], headers, body
