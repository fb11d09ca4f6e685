"""Clients as chat/PROTOCOL.md wants them, which never give up: they reconnect, resend under the same id, and ask for what they missed.

What they are asked to do and how that ends goes into the log; what they are shown stays in `views`. They do not look for news by
themselves: who is told of nothing shows nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import Coroutine
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from tests.chat.client import Frame, Place
from tests.faults.history import Log
from tests.faults.pages import Pages, messages_of
from tests.faults.views import Asked, View

HEARTBEAT = 2.0  # seconds between pings
DEAF = 8.0  # seconds without a frame after which a socket counts as dead; less than a frozen process may be silent
IMPATIENCE = 10.0  # seconds without an answer after which the same is sent again on the same socket
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
MOVES = (
    "agent.request",
    "conversation.take_over",
    "conversation.hand_back",
    "conversation.transfer",
    "conversation.end",
)
BUFFER = 4096  # bytes that the kernel keeps for a client that does not read


class Bot:
    path = ""

    def __init__(self, tenant: str, name: str, ports: list[int], log: Log, random: Random) -> None:
        self.tenant, self.name, self.log, self.random = tenant, name, log, random
        self.pages = Pages(tenant, name, [Place(f"{tenant}.localhost", port) for port in ports], log, random)
        self.views: dict[str, View] = {}
        self.epochs: dict[str, int] = {}  # of conversations, as last told
        self.asked: dict[str, Asked] = {}
        self.resyncs: dict[str, str] = {}  # conversations, by the id of what was asked
        self.line: ClientConnection | None = None  # greeted
        self.line_id = ""
        self.heard_at = 0.0
        self.reads = asyncio.Event()  # cleared: the bot lets its socket fill
        self.reads.set()
        self.holes = 0  # that it had to ask about
        self.tasks: set[asyncio.Task[None]] = set()

    # --- One socket after the other -----------------------------------------------------------------------------------

    async def live(self) -> None:
        """Until cancelled."""
        pause = SHORTEST_PAUSE
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                await self._visit(self.random.choice(self.pages.places))
            pause = SHORTEST_PAUSE if self.line else min(LONGEST_PAUSE, pause * 2)
            self._lost_line()
            await asyncio.sleep(self.random.uniform(0.05, pause))

    async def _visit(self, place: Place) -> None:
        headers = {name: value for name, value in self.pages.headers.items() if name == "Cookie"}
        async with connect(
            f"ws://{place.host}:{place.port}{self.path}",
            sock=await asyncio.to_thread(_dial, place.port),
            origin=Origin(place.origin),
            additional_headers=headers,
            compression=None,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
        ) as line:
            self.heard_at = time.monotonic()
            beat = asyncio.create_task(self._beat(line))
            try:
                await line.send(json.dumps(self.hello()))
                async for text in line:
                    self.heard_at = time.monotonic()
                    self._hear(line, str(text))
                    await self.reads.wait()
            finally:
                beat.cancel()
                self.log.add("left", who=self.name, code=line.close_code)

    async def _beat(self, line: ClientConnection) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            if time.monotonic() - self.heard_at > DEAF and self.reads.is_set():
                line.transport.abort()
            self._send({"type": "ping"})
            for asked in self.asked.values():
                if time.monotonic() - asked.sent_at > IMPATIENCE:
                    self._try(asked)

    def hello(self) -> Frame:
        after = {conversation: view.complete for conversation, view in self.views.items()}
        return {"type": "hello", "after": after, **self.credentials()}

    def credentials(self) -> Frame:
        return {}

    def _lost_line(self) -> None:
        self.line = None
        self.resyncs.clear()
        for asked in self.asked.values():
            asked.doubtful = asked.doubtful or asked.tries > 0

    def cut(self) -> None:
        """As a network does it: no close frame."""
        if self.line:
            self.line.transport.abort()

    def flood_with_the_past(self, conversation: str) -> None:
        """Asks for everything once more, often enough to fill any buffer. What comes of it counts like every frame."""
        for _ in range(40):
            self._send({"type": "resync", "id": uuid.uuid4().hex, "conversation": conversation, "after": 0})

    # --- Frames in ----------------------------------------------------------------------------------------------------

    def _hear(self, line: ClientConnection, text: str) -> None:
        self.pages.watch_for_strangers(text)
        frame = json.loads(text)
        kind = frame["type"]
        if kind == "welcome":
            self.line, self.line_id = line, uuid.uuid4().hex
            for message in frame.get("messages", []):
                self._take(message)
            for state in frame.get("conversations", []):
                self._learn(state)
            for asked in list(self.asked.values()):
                self._try(asked)
        elif kind == "message":
            self._take(frame)
        elif kind == "conversation":
            self._learn(frame)
        elif kind == "resync_required":
            self._run(self._fetch(frame["conversation"]))
        elif kind == "error" and self.line is not line:  # not greeted: elsewhere, then
            self._run(line.close())
        elif kind in ("ack", "error") and frame.get("id") in self.resyncs:
            self._resynced(self.resyncs.pop(frame["id"]))
        elif kind in ("ack", "error") and frame.get("id") in self.asked:
            self._answered(self.asked[frame["id"]], frame)

    def _learn(self, state: Frame) -> None:
        known = self.epochs.get(state["conversation"], 0)
        self.epochs[state["conversation"]] = max(known, state.get("epoch", 0))

    def _take(self, message: Frame) -> None:
        view = self.views.setdefault(message["conversation"], View())
        view.take(message)
        if view.has_hole and message["conversation"] not in self.resyncs.values():
            self.holes += 1
            self._resync(message["conversation"])

    def _resync(self, conversation: str) -> None:
        id, after = uuid.uuid4().hex, self.views[conversation].complete
        if self._send({"type": "resync", "id": id, "conversation": conversation, "after": after}):
            self.resyncs[id] = conversation

    def _resynced(self, conversation: str) -> None:
        if self.views[conversation].has_hole:
            asyncio.get_running_loop().call_later(0.5, self._resync, conversation)

    async def _fetch(self, conversation: str) -> None:
        view = self.views[conversation]
        for message in await self.pages.history(conversation, view.complete):
            view.take(message)

    # --- Asking -------------------------------------------------------------------------------------------------------

    async def ask(self, do: str, conversation: str, race: str = "", to: str = "", **fields: Any) -> Frame:
        """The frame's `ack`, or the `error` that is final. Sent as often as it takes, for the epoch that was known at first."""
        id = uuid.uuid4().hex
        self._log_invoke(id, do, conversation, race=race, to=to, text=fields.get("text", ""))
        if do in MOVES and self.epochs.get(conversation):
            fields["epoch"] = self.epochs[conversation]
        frame = {"type": do, "id": id, "conversation": conversation, **fields}
        asked = self.asked[id] = Asked(frame, asyncio.get_running_loop().create_future())
        self._try(asked)
        return await asked.answer

    def _log_invoke(self, id: str, do: str, conversation: str, **more: str) -> None:
        about = {"op": id, "do": do, "who": self.name, "tenant": self.tenant, "conversation": conversation}
        self.log.add("invoke", **about, **{name: value for name, value in more.items() if value})

    def _try(self, asked: Asked) -> None:
        if asked.answer.done() or not self._send(asked.frame):
            return
        asked.doubtful = asked.doubtful or asked.tries > 0
        asked.tries += 1
        asked.sent_at = time.monotonic()

    def _answered(self, asked: Asked, frame: Frame) -> None:
        if frame["type"] == "error" and frame["temporary"]:
            asked.doubtful = True
            wait = min(LONGEST_PAUSE, frame.get("retry_after") or 0.5)
            asyncio.get_running_loop().call_later(wait, self._try, asked)
            return
        del self.asked[frame["id"]]
        self._log_end(frame, asked.doubtful, self.line_id, asked.tries)
        if not asked.answer.done():
            asked.answer.set_result(frame)

    def _log_end(self, frame: Frame, doubtful: bool, line: str, tries: int) -> None:
        op = frame["id"]
        if frame["type"] == "ack":
            self.log.add("ok", op=op, seq=frame.get("seq", 0), line=line, tries=tries)
        else:
            taken = (frame.get("agent") or {}).get("name", "")
            outcome = "unknown" if doubtful else "fail"
            self.log.add(outcome, op=op, code=frame["code"], agent=taken, tries=tries)

    def _send(self, frame: Frame) -> bool:
        """Whether there was a socket to send it on."""
        if self.line is None:
            return False
        self._run(self._sent(self.line, json.dumps(frame)))
        return True

    async def _sent(self, line: ClientConnection, text: str) -> None:
        with contextlib.suppress(WebSocketException, OSError):
            await line.send(text)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class VisitorBot(Bot):
    path = "/ws/v1/visitor"
    conversation = ""
    token = ""

    async def begin(self) -> None:
        session: Frame = {}
        while "token" not in session:
            session = await self.pages.ask("POST", "/api/v1/visitor/sessions", {"locale": "en"})
        self.known_as(session["token"], session["conversation"]["id"])
        self.epochs[self.conversation] = session["conversation"]["epoch"]

    def known_as(self, token: str, conversation: str) -> None:
        self.token, self.conversation = token, conversation
        self.pages.headers = {"Authorization": f"Bearer {token}"}
        self.views[conversation] = View()

    def credentials(self) -> Frame:
        return {"token": self.token}

    async def say(self, text: str) -> Frame:
        """On the socket or over HTTP; now and then once more when it is acknowledged already."""
        if self.random.random() < 0.1:
            return await self._post(uuid.uuid4().hex, text)
        answer = await self.ask("message.send", self.conversation, text=text)
        if answer["type"] == "ack" and self.random.random() < 0.1:
            copy = {"id": answer["id"], "text": text}
            again = await self.pages.ask("POST", messages_of(self.conversation), copy)
            self.log.add("again", op=answer["id"], seq=again.get("seq", 0))
        return answer

    async def _post(self, id: str, text: str) -> Frame:
        self._log_invoke(id, "message.send", self.conversation, text=text)
        answer: Frame = await self.pages.ask("POST", messages_of(self.conversation), {"id": id, "text": text})
        doubtful = True  # how often it was tried, HTTP does not tell
        self._log_end({"type": "error", **answer, "id": id}, doubtful, "http", 0)
        return answer


class AgentBot(Bot):
    path = "/ws/v1/agent"

    def __init__(self, *about: Any, number: int, session: str) -> None:
        super().__init__(*about)
        self.number = number
        self.pages.headers = {"Cookie": f"sessionid={session}"}

    async def watch(self, conversation: str, epoch: int = 0) -> None:
        """From its first message on: it must not have one yet."""
        self.views[conversation] = View()
        self._learn({"conversation": conversation, "epoch": epoch})
        await self.ask("subscribe", conversation)


def _dial(port: int) -> socket.socket:
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    line.settimeout(5)
    try:
        line.connect(("127.0.0.1", port))
    except OSError:
        line.close()
        raise
    return line
