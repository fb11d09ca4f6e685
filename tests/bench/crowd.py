"""Who the load generator plays: visitors who write, and agents who look on. Each follows every message to its end."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tests.bench.wire import Line, frame, request, value

if TYPE_CHECKING:
    from tests.bench.load import Load

TYPE, ID, CLIENT_ID, SEQ, CODE = b'"type":', b'"id":', b'"client_id":', b'"seq":', b'"code":'
CONVERSATION, KIND = b'"conversation":', b'"kind":'
WELCOME_WITHIN = 15.0  # seconds, else the line is tried again
AGAIN = 0.5  # seconds until a message that met an error is sent again


class Person(Line):
    greetings = 0
    is_in = False

    def __init__(self, load: Load, host: str, port: int, path: str, source: str = "", **headers: str) -> None:
        super().__init__(port, request(f"{host}:{port}", path, **headers), source)
        self.load = load

    async def arrive(self) -> bool:
        """Whether the server bade welcome. Raises OSError when there is none."""
        self.welcomed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        await self.connect()
        try:
            return await asyncio.wait_for(self.welcomed, WELCOME_WITHIN)
        except TimeoutError:
            self.cut()
            return False

    def hello(self, **fields: Any) -> None:
        self.send(frame(json.dumps({"type": "hello", **fields}).encode()))

    def greeted(self) -> None:
        if self.welcomed.done():
            return  # too late: we are about to hang up
        self.is_in = True
        self.greetings += 1
        self.welcomed.set_result(True)
        self.load.came(self)

    def lost(self) -> None:
        self.is_in = False
        if not self.welcomed.done():
            self.welcomed.set_result(False)
        self.load.went(self)

    def erred(self, payload: bytes) -> None:
        self.load.errors[value(payload, CODE).decode()] += 1


class Visitor(Person):
    def __init__(self, load: Load, token: str, conversation: str, source: str = "") -> None:
        path = "/echo" if load.plan.echo else "/ws/v1/visitor"
        host = load.plan.hosts.get(conversation, load.plan.host)
        ports = [load.plan.port, *load.plan.more_ports]
        super().__init__(load, host, ports[hash(conversation) % len(ports)], path, source)
        self.token, self.conversation = token, conversation
        self.beginning = f'{{"type":"message.send","conversation":"{conversation}","id":"'.encode()
        self.sent = 0
        self.begin = hash(
            conversation
        )  # which of the texts is the first: not everybody says the same at the same time
        self.seen = 0  # the newest seq
        self.unacked: dict[bytes, tuple[bytes, float]] = {}  # by id: the frame, and when it was due
        self.undelivered: dict[bytes, float] = {}  # by id: when it was due
        self.unanswered: dict[int, float] = {}  # by the answer's seq: when the question was due
        self.acked: set[int] = set()
        self.delivered: set[int] = set()

    def say(self, due: float) -> None:
        self.sent += 1
        id = b"%08d" % self.sent
        message = frame(self.beginning + id + self.load.text(self.begin + self.sent))
        self.unacked[id] = message, due
        if self.load.has_agents:
            self.undelivered[id] = due
        if self.is_in:
            self.send(message)

    def say_again(self, id: bytes) -> None:
        if self.is_in and id in self.unacked:
            self.send(self.unacked[id][0])

    def opened(self) -> None:
        if self.load.plan.echo:
            self.greeted()
        else:
            self.hello(
                token=self.token, **({"after": {self.conversation: self.seen}} if self.greetings else {})
            )

    def greeted(self) -> None:
        super().greeted()
        if not self.is_in:
            return
        for message, _due in self.unacked.values():
            self.send(message)

    def heard(self, payload: bytes) -> None:
        kind = value(payload, TYPE)
        if kind == b"ack":
            self._acked(value(payload, ID), int(value(payload, SEQ)))
        elif kind == b"message":
            self._shown(payload)
        elif kind == b"message.send":
            self._echoed(value(payload, ID))
        elif kind == b"welcome":
            self._welcome(payload)
        elif kind == b"error":
            self.erred(payload)
            asyncio.get_running_loop().call_later(AGAIN, self.say_again, value(payload, ID))

    def _acked(self, id: bytes, seq: int) -> None:
        message = self.unacked.pop(id, None)
        if message is None:
            return  # the answer to a resend
        now, due = perf_counter(), message[1]
        self.load.tally.acks.append(now - due)
        self.acked.add(seq)
        if not self.load.plan.answers:
            if id not in self.undelivered:
                self.load.next(self, now)
        elif seq + 1 in self.delivered:  # the answer was quicker
            self._answered(now, due)
        else:
            self.unanswered[seq + 1] = due

    def _echoed(self, id: bytes) -> None:
        now, due = perf_counter(), self.unacked.pop(id)[1]
        self.load.tally.acks.append(now - due)
        self.acked.add(int(id))
        self.load.next(self, now)

    def _shown(self, payload: bytes) -> None:
        seq = int(value(payload, SEQ))
        self.seen = max(self.seen, seq)
        if self.load.plan.answers and value(payload, KIND) == b"bot":
            self._note_delivery(seq)
            due = self.unanswered.pop(seq, None)
            if due is not None:
                self._answered(perf_counter(), due)

    def _answered(self, now: float, due: float) -> None:
        self.load.tally.deliveries.append(now - due)
        self.load.next(self, now)

    def agent_has(self, id: bytes, seq: int) -> None:
        self._note_delivery(seq)
        due = self.undelivered.pop(id, None)
        if due is None:
            return
        now = perf_counter()
        self.load.tally.deliveries.append(now - due)
        if id not in self.unacked:
            self.load.next(self, now)

    def _note_delivery(self, seq: int) -> None:
        if seq in self.delivered:
            self.load.doubles += 1
        self.delivered.add(seq)

    def _welcome(self, payload: bytes) -> None:
        """What came while the line was down is in it."""
        self.greeted()
        for message in json.loads(payload).get("messages", ()):
            self._shown(json.dumps(message).encode())

    def promised(self) -> set[int]:
        """The seqs that must have been delivered."""
        return {seq + 1 for seq in self.acked} if self.load.plan.answers else self.acked


class Agent(Person):
    def __init__(self, load: Load, cookie: str, conversations: list[str]) -> None:
        port = load.plan.agents_port or load.plan.port
        host = load.plan.hosts.get(conversations[0], load.plan.host)
        headers = {"Origin": f"http://{host}:{port}", "Cookie": f"sessionid={cookie}"}
        super().__init__(load, host, port, "/ws/v1/agent", **headers)
        self.seen = dict.fromkeys(conversations, 0)
        self.unsubscribed = 0

    def opened(self) -> None:
        self.hello(**({"after": self.seen} if self.greetings else {}))

    def heard(self, payload: bytes) -> None:
        kind = value(payload, TYPE)
        if kind == b"message":
            self._shown(payload)
        elif kind == b"welcome":
            self._welcome()
        elif kind == b"ack":
            self.unsubscribed -= 1
            if not self.unsubscribed:
                self.greeted()
        elif kind == b"error":
            self.erred(payload)
        elif kind == b"resync_required":
            self.load.errors["resync_required"] += 1

    def _welcome(self) -> None:
        if self.greetings or not self.seen:
            self.greeted()
            return
        self.unsubscribed = len(self.seen)
        for number, conversation in enumerate(self.seen):
            fields = {"type": "subscribe", "id": f"s{number}", "conversation": conversation}
            self.send(frame(json.dumps(fields).encode()))

    def _shown(self, payload: bytes) -> None:
        conversation, seq = value(payload, CONVERSATION).decode(), int(value(payload, SEQ))
        if seq > self.seen[conversation]:
            self.seen[conversation] = seq
        id = value(payload, CLIENT_ID)
        if id != b"null":
            self.load.by_conversation[conversation].agent_has(id, seq)
