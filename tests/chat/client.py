"""A visitor's page and an agent's console as any third party would write them: chat/PROTOCOL.md and nothing else."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

Frame = dict[str, Any]


def of(kind: str) -> Callable[[Frame], bool]:
    """For `Socket.expect`: a message of a visitor, an agent or the bot."""
    return lambda frame: frame["type"] == "message" and frame["sender"]["kind"] == kind


PATIENCE = 60.0  # seconds until a frame that does not come is missed


@dataclass(frozen=True)
class Place:
    """Where a tenant is served: its host name, and the port of loopback behind it."""

    host: str
    port: int

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def request(
        self, method: str, path: str, body: Frame | str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """(status, JSON or text)."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            payload = json.dumps(body) if isinstance(body, dict) else body
            known = {"Host": f"{self.host}:{self.port}", "Content-Type": "application/json"}
            line.request(method, path, payload, known | headers)
            answer = line.getresponse()
            text = answer.read().decode()
        finally:
            line.close()
        return answer.status, json.loads(text) if "json" in (answer.headers["Content-Type"] or "") else text


class Socket:
    """Keeps every frame it got, in order; `expect` looks at those that no earlier `expect` has passed."""

    def __init__(self, place: Place, path: str, *, origin: str | None = None, **headers: str) -> None:
        self.frames: list[Frame] = []
        self._passed = 0
        line = socket.create_connection(("127.0.0.1", place.port))
        self.line = connect(
            f"ws://{place.host}:{place.port}{path}",
            sock=line,
            origin=origin,
            additional_headers=headers,
            compression=None,
            max_size=None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def send(self, type: str, **fields: Any) -> None:
        self.raw(json.dumps({"type": type, **fields}))

    def raw(self, text: str | bytes) -> None:
        self.line.send(text)

    def ask(self, type: str, **fields: Any) -> Frame:
        """Sends a frame with an id of its own and gives back the one `ack` or `error` it gets."""
        id = fields.pop("id", None) or uuid.uuid4().hex
        self.send(type, id=id, **fields)
        return self.expect(lambda frame: frame["type"] in ("ack", "error") and frame.get("id") == id)

    def expect(self, what: str | Callable[[Frame], bool], timeout: float = PATIENCE, **fields: Any) -> Frame:
        """The next frame of type `what`, or for which `what` holds, with these fields."""
        while True:
            while self._passed < len(self.frames):
                frame = self.frames[self._passed]
                self._passed += 1
                is_it = frame["type"] == what if isinstance(what, str) else what(frame)
                if is_it and all(frame.get(name) == value for name, value in fields.items()):
                    return frame
            self.frames.append(json.loads(self.line.recv(timeout)))

    def all(self, type: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == type]

    def closed(self, timeout: float = PATIENCE) -> int:
        """The close code; what comes before it is kept."""
        try:
            while True:
                self.frames.append(json.loads(self.line.recv(timeout)))
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006


class Visitor:
    """One visitor: a session over HTTP, and as many sockets as their tabs."""

    def __init__(self, place: Place, **session: Any) -> None:
        self.place = place
        status, self.session = place.request("POST", "/api/v1/visitor/sessions", {"locale": "en", **session})
        assert status == 201, self.session
        self.token: str = self.session["token"]
        self.conversation: str = self.session["conversation"]["id"]

    @property
    def credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def socket(self, after: int | None = None) -> Socket:
        """After its hello; `welcome` is the first of its frames."""
        socket = Socket(self.place, "/ws/v1/visitor", origin=self.place.origin)
        seen = {} if after is None else {"after": {self.conversation: after}}
        socket.send("hello", token=self.token, **seen)
        socket.expect("welcome")
        return socket

    def say(self, socket: Socket, text: str, id: str | None = None) -> Frame:
        return socket.ask("message.send", id=id, conversation=self.conversation, text=text)

    def post(self, text: str, id: str, **headers: str) -> tuple[int, Any]:
        path = f"/api/v1/conversations/{self.conversation}/messages"
        return self.place.request("POST", path, {"id": id, "text": text}, **(headers or self.credentials))

    def history(self, query: str = "", **headers: str) -> tuple[int, Any]:
        path = f"/api/v1/conversations/{self.conversation}/messages{query}"
        return self.place.request("GET", path, **(headers or self.credentials))


def agent_socket(place: Place, session_key: str) -> Socket:
    """A console of an agent who is logged in, after its hello."""
    socket = Socket(place, "/ws/v1/agent", origin=place.origin, Cookie=f"sessionid={session_key}")
    socket.send("hello")
    socket.expect("welcome")
    return socket
