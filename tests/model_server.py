"""A language model that does as it is told: OpenAI's chat completions on loopback, scripted by the model's name.

    with ModelServer() as server:
        Provider(base_url=server.url, model="cut", ...)
        ...
        assert server.requests[0].left.wait(1)

`says:one|two` streams the pieces "one" and "two"; `calls:one|order {"number": "A1"}` the piece "one" and a call, in fragments, if it
was offered tools; `asked` runs the script that the question names in brackets: "退货 [endless]".
The other names are the keys of SCRIPTS. While `server.script` is set, every model does that; of `server.next`, each request gets one.
`server.figures` is its page of metrics.
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
LATE = 0.4  # ... until the first of a late one


@dataclass
class Request:
    """What a client asked, and how that ended."""

    body: dict[str, Any]
    headers: dict[str, str]
    left: threading.Event = field(default_factory=threading.Event)  # the client hung up before the end
    done: threading.Event = field(default_factory=threading.Event)
    path: str = ""
    connection: int = 0  # its number

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
        self.is_whole = False  # the connection may be used again

    async def text(self, text: str) -> None:
        self._head(200, {"Content-Type": "text/plain", "Content-Length": str(len(text))})
        await self.raw(text.encode())
        self.is_whole = True

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self, status: int, body: dict[str, Any], **headers: str) -> None:
        payload = json.dumps(body).encode()
        self._head(
            status, {"Content-Type": "application/json", "Content-Length": str(len(payload)), **headers}
        )
        await self.raw(payload)
        self.is_whole = True

    async def begin(self) -> None:
        self._head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        await self._writer.drain()

    async def event(self, data: str) -> None:
        payload = f"data: {data}\n\n".encode()
        self._writer.write(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")
        await self._writer.drain()

    async def token(self, text: str) -> None:
        await self.event(json.dumps(_chunk({"delta": {"content": text}})))

    async def call(self, index: int | None, id: str, name: str, arguments: str) -> None:
        """The name first, then the arguments in fragments that cut through words."""
        parts = [{"id": id, "type": "function", "function": {"name": name, "arguments": ""}}]
        parts += [{"function": {"arguments": arguments[at : at + 4]}} for at in range(0, len(arguments), 4)]
        for part in parts:
            fragment = part if index is None else {"index": index, **part}
            await self.event(json.dumps(_chunk({"delta": {"tool_calls": [fragment]}})))

    async def end(self, reason: str = "stop") -> None:
        await self.event(json.dumps(_chunk({"delta": {}, "finish_reason": reason})))
        await self.event("[DONE]")
        await self.raw(b"0\r\n\r\n")
        self.is_whole = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._writer.write(f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode())


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


def calls(*pieces: str, reason: str = "tool_calls", is_one_index: bool = False) -> Script:
    async def script(request: Request, reply: Reply) -> None:
        if "tools" not in request.body:
            return await says("Nothing to call.")(request, reply)
        await reply.begin()
        count = 0
        for piece in pieces:
            name, is_call, arguments = piece.partition(" {")
            if is_call:
                await reply.call(0 if is_one_index else count, f"id{count}", name, f"{{{arguments}")
                count += 1
            else:
                await reply.token(piece)
        await reply.end(reason)

    return script


async def reads(request: Request, reply: Reply) -> None:
    """Says what its calls have brought."""
    results = [message["content"] for message in request.body["messages"] if message["role"] == "tool"]
    await says(*results)(request, reply)


async def cut_call(request: Request, reply: Reply) -> None:
    """Hangs up in the middle of its arguments."""
    await reply.begin()
    await reply.call(0, "id0", "order", '{"number": "A1')


async def odd_calls(request: Request, reply: Reply) -> None:
    """JSON, but nobody's dialect of calls."""
    await reply.begin()
    for told in (
        "order",
        7,
        [7, None],
        [{}],
        [{"index": "x", "function": 7}],
        [{"function": {"name": ["order"]}}],
    ):
        await reply.event(json.dumps(_chunk({"delta": {"tool_calls": told}})))
    await reply.end("tool_calls")


async def calls_on(request: Request, reply: Reply) -> None:
    """As long as it may."""
    await calls('order {"number": "A10001"}')(request, reply)


async def toolless(request: Request, reply: Reply) -> None:
    """Started without what calls need."""
    if "tools" in request.body:
        return await reply.status(400, {"error": {"message": "tools param requires --jinja flag"}})
    await says("可以换。")(request, reply)


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


async def late(request: Request, reply: Reply) -> None:
    await asyncio.sleep(LATE)
    await says("可以换。")(request, reply)


def crowded(slots: int, seconds: float) -> Script:
    """A server that does so many at once, each in so many seconds; the others wait."""
    room = asyncio.Semaphore(slots)

    async def script(request: Request, reply: Reply) -> None:
        async with room:
            await asyncio.sleep(seconds)
            await says("可以换。")(request, reply)

    return script


async def talks_on(request: Request, reply: Reply) -> None:
    """Until somebody hangs up, ten tokens a second."""
    await reply.begin()
    while True:
        await reply.token("可")
        await asyncio.sleep(0.1)


async def stalls(request: Request, reply: Reply) -> None:
    await reply.begin()
    await reply.token("One moment")
    await asyncio.Event().wait()


async def silent(request: Request, reply: Reply) -> None:
    await asyncio.Event().wait()


async def cut(request: Request, reply: Reply) -> None:
    await reply.begin()
    await reply.token("It is so that")


async def half(request: Request, reply: Reply) -> None:
    """Ends as if nothing were missing, as behind a proxy that lost its server."""
    await reply.begin()
    await reply.token("七天内可以")
    await reply.event("[DONE]")
    await reply.raw(b"0\r\n\r\n")


async def filtered(request: Request, reply: Reply) -> None:
    await reply.begin()
    await reply.token("七天内可以")
    await reply.end("content_filter")


async def thinks(request: Request, reply: Reply) -> None:
    """Aloud, and for longer than a first token may take."""
    await reply.begin()
    for _ in range(8):
        await reply.event(json.dumps(_chunk({"delta": {"reasoning_content": "嗯"}})))
        await asyncio.sleep(0.1)
    await reply.token("可以换。")
    await reply.end()


async def lingers(request: Request, reply: Reply) -> None:
    """Has said all, and does not hang up."""
    await reply.begin()
    await reply.token("可以换。")
    await reply.event(json.dumps(_chunk({"delta": {}, "finish_reason": "stop"})))
    await asyncio.Event().wait()


async def flood(request: Request, reply: Reply) -> None:
    """A line without an end."""
    await reply.begin()
    while True:
        await reply.raw(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


async def empty(request: Request, reply: Reply) -> None:
    """Chunks with nothing in them, without an end."""
    await reply.begin()
    event = f"data: {json.dumps(_chunk({'delta': {}}))}\n\n".encode() * 100
    while True:
        await reply.raw(f"{len(event):x}\r\n".encode() + event + b"\r\n")


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


async def newer(request: Request, reply: Reply) -> None:
    """Calls the limit of tokens by its newer name, and chooses its temperature itself."""
    for name in ("max_tokens", "temperature"):
        if name in request.body:
            return await reply.status(400, {"error": {"message": f"Unsupported parameter: '{name}'"}})
    await says("可以换。")(request, reply)


async def too_long(request: Request, reply: Reply) -> None:
    await reply.status(400, {"error": {"message": "max_tokens and prompt are longer than the context"}})


async def able(request: Request, reply: Reply) -> None:
    """Does whatever it is asked for: a stream that ends with its usage, JSON by a schema, a call of a tool."""
    if request.body.get("stream"):
        return await tells(request, reply)
    message: dict[str, Any] = {"role": "assistant", "content": "2"}
    if "response_format" in request.body:
        message["content"] = '{"sum": 2}'
    if "tools" in request.body:
        call = {"name": request.body["tools"][0]["function"]["name"], "arguments": "{}"}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": call}],
        }
    await reply.status(200, _whole(message))


async def simple(request: Request, reply: Reply) -> None:
    """Talks, thinks aloud, and knows nothing else."""
    if request.body.get("stream"):
        return await says("2")(request, reply)
    if {"response_format", "tools"} & request.body.keys():
        return await reply.status(400, {"error": {"message": "unknown field"}})
    await reply.status(
        200, _whole({"role": "assistant", "content": "2", "reasoning_content": "One and one..."})
    )


async def writes_calls(request: Request, reply: Reply) -> None:
    """Knows no calls, but was taught to write them."""
    block = '```json\n{"name": "what_time_is_it", "arguments": {}}\n```'
    await reply.status(200, _whole({"role": "assistant", "content": block}))


def _whole(message: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {
        "id": "scripted",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [choice],
    }


async def hangs_up(request: Request, reply: Reply) -> None:
    await reply.begin()


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
    "late": late,
    "talks-on": talks_on,
    "half": half,
    "filtered": filtered,
    "thinks": thinks,
    "lingers": lingers,
    "flood": flood,
    "empty": empty,
    "newer": newer,
    "too-long": too_long,
    "able": able,
    "simple": simple,
    "writes-calls": writes_calls,
    "says-nothing-and-hangs-up": hangs_up,
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
    "reads": reads,
    "cut-call": cut_call,
    "odd-calls": odd_calls,
    "calls-on": calls_on,
    "calls-at-one-index": calls(
        'order {"number": "A10001"}', 'order {"number": "A10002"}', reason="stop", is_one_index=True
    ),
    "toolless": toolless,
    "promises": says("我已经为您", "退款。", "三天内到账，请留意短信。"),
}


SPOKEN = {"says": says, "calls": calls}


def _script(request: Request, script: str = "") -> Script:
    name = script or request.body["model"]
    if name == "asked":
        named = re.search(r"\[(.+?)\]", request.question)
        name = named[1] if named else "echo"
    kind, _, pieces = name.partition(":")
    return SPOKEN[kind](*pieces.split("|")) if kind in SPOKEN else SCRIPTS[name]


# --- The server -------------------------------------------------------------------------------------------------------


class ModelServer:
    """Listens on a free port of loopback, on a loop and a thread of its own, while the block lasts."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.script = ""
        self.next: list[str] = []
        self.figures = ""
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
        self.connections += 1
        number, early = self.connections, b""
        try:
            while True:
                path, headers, body = await _read(reader, early)
                reply, early = Reply(writer), b""
                if path.endswith("/models"):
                    models = [{"id": name, "object": "model"} for name in SCRIPTS]
                    await reply.status(200, {"object": "list", "data": models})
                elif path.endswith("/metrics"):
                    await reply.text(self.figures)
                else:
                    request = Request(json.loads(body), headers, path=path, connection=number)
                    early = await self._answer(request, reader, reply)
                if not reply.is_whole:
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever asked is gone, or we are closing
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, reply: Reply) -> bytes:
        """The first byte of the next request, where that was quick."""
        self.requests.append(request)
        script = self.next.pop(0) if self.next else self.script
        answering = asyncio.ensure_future(_script(request, script)(request, reply))
        gone = asyncio.ensure_future(
            reader.read(1)
        )  # a client says nothing more until it has the answer, or hangs up
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
        return b"" if gone.cancelled() or gone.exception() else gone.result()


async def _read(reader: asyncio.StreamReader, early: bytes) -> tuple[str, dict[str, str], bytes]:
    head = early + await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split()[1], headers, body
