"""A WebSocket client that costs next to nothing (RFC 6455 over raw sockets), so that one process can play thousands of people.

Frames out are masked with zeros, which leaves the payload as it is; of frames in only the header is looked at.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

CONTINUED, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
LAST = 0x80  # of a message's fragments
NO_MASK = bytes(4)
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="  # any 16 bytes
LOST = 1006  # no close frame came


def request(host: str, path: str, **headers: str) -> bytes:
    """The handshake. Of `headers`, underscores become hyphens."""
    lines = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


def frame(payload: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    length = len(payload)
    if length < 126:
        size = bytes((0x80 | length,))
    elif length < 65_536:
        size = b"\xfe" + length.to_bytes(2, "big")
    else:
        size = b"\xff" + length.to_bytes(8, "big")
    return bytes((opcode | LAST if last else opcode,)) + size + NO_MASK + payload


def close_frame(code: int = 1000) -> bytes:
    return frame(code.to_bytes(2, "big"), CLOSE)


def code_of(close: bytes) -> int:
    return int.from_bytes(close[:2], "big") if len(close) > 1 else 1005


class Reader:
    """Puts what a server sends together again, in whatever pieces it comes."""

    __slots__ = ("opcode", "parts", "rest")

    def __init__(self) -> None:
        self.rest = b""  # of a frame that is still coming
        self.parts: list[bytes] = []  # of a message that is still coming
        self.opcode = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The messages that are whole by now: (opcode, payload)."""
        if self.rest:
            data = self.rest + data
        found = []
        at, size = 0, len(data)
        while size - at >= 2:
            first, length, start = data[at], data[at + 1], at + 2
            if length > 125:
                start += 2 if length == 126 else 8
                if start > size:
                    break
                length = int.from_bytes(data[at + 2 : start], "big")
            if start + length > size:
                break
            at = start + length
            payload = data[start:at]
            if first & LAST and first & 0x0F and not first & 0x70:
                found.append((first & 0x0F, payload))
            elif whole := self._put_together(first, payload):
                found.append(whole)
        self.rest = data[at:]
        return found

    def _put_together(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        if first & 0x70:
            raise ValueError("the server compresses, and was not asked to")
        self.opcode = first & 0x0F or self.opcode
        self.parts.append(payload)
        if not first & LAST:
            return None
        whole, self.parts = b"".join(self.parts), []
        return self.opcode, whole


def value(payload: bytes, key: bytes) -> bytes:
    """Of a JSON object's first `key`, given as b'"key":': a string without its quotes, a number or null as it stands.

    Raises ValueError where there is none.
    """
    start = payload.index(key) + len(key)
    if payload[start] == 32:
        start += 1
    if payload[start] == 34:
        return payload[start + 1 : payload.index(b'"', start + 1)]
    end = start
    while payload[end] not in b",}":
        end += 1
    return payload[start:end]


class Line(asyncio.Protocol):
    """One person's connection, which may be opened again after it was lost. Subclasses say what happens at each of its turns."""

    def __init__(self, port: int, request: bytes, source: str = "") -> None:
        self.port, self.request, self.source = port, request, source
        self.transport: asyncio.Transport | None = None  # while the WebSocket is open
        self.code = LOST
        self.ended = asyncio.Event()

    async def connect(self) -> None:
        """Raises OSError when nobody listens."""
        loop = asyncio.get_running_loop()
        self.head, self.reader, self.code = b"", Reader(), LOST
        self.ended.clear()
        line = socket.socket()
        try:
            if self.source:
                line.bind((self.source, 0))
            line.setblocking(False)
            await loop.sock_connect(line, ("127.0.0.1", self.port))
            await loop.create_connection(lambda: self, sock=line)
        except BaseException:
            line.close()
            raise

    def send(self, frame: bytes) -> None:
        if self.transport:
            self.transport.write(frame)

    def cut(self) -> None:
        if self.wire:
            self.wire.abort()

    def opened(self) -> None: ...

    def heard(self, payload: bytes) -> None: ...

    def lost(self) -> None: ...

    # --- What asyncio calls -------------------------------------------------------------------------------------------

    wire: asyncio.Transport | None = None  # from before the handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.Transport, transport)
        self.wire.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            data = self._handshake(data)
        for opcode, payload in self.reader.feed(data):
            if opcode == TEXT:
                self.heard(payload)
            elif opcode == PING:
                self.send(frame(payload, PONG))
            elif opcode == CLOSE:
                self.code = code_of(payload)
                self.send(frame(payload, CLOSE))
                assert self.wire
                self.wire.close()

    def _handshake(self, data: bytes) -> bytes:
        """What came behind the server's answer to it."""
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return b""
        assert self.wire
        if not self.head.startswith(b"HTTP/1.1 101 "):
            self.wire.abort()
            return b""
        self.transport = self.wire
        self.opened()
        return self.head[end + 4 :]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = self.wire = None
        self.ended.set()
        self.lost()
