"""A WebSocket client that sends what no client sends (RFC 6455, section 5.2)."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Iterable
from typing import Self

from tests.chat.client import PATIENCE, Place

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NO_MASK = bytes(4)  # leaves what it masks as it is


def head(opcode: int, size: int, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """Of a frame of `size` bytes, whether they follow or not. `reserved`: the three bits beside `fin`; 4 is "compressed"."""
    mask = masked << 7
    if size < 126:
        length = struct.pack("!B", mask | size)
    elif size < 2**16:
        length = struct.pack("!BH", mask | 126, size)
    else:
        length = struct.pack("!BQ", mask | 127, size)
    return bytes([fin << 7 | reserved << 4 | opcode]) + length + (NO_MASK if masked else b"")


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0
) -> bytes:
    return head(opcode, len(payload), fin=fin, masked=masked, reserved=reserved) + payload


class Raw:
    """A line to the web process, from one of loopback's addresses. `buffer`: bytes that the system on this side takes unread."""

    def __init__(self, place: Place, *, address: str = "127.0.0.1", buffer: int | None = None) -> None:
        self.place = place
        self.got = b""
        self.line = socket.socket()
        if buffer:
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.line.settimeout(PATIENCE)
        self.line.bind((address, 0))
        self.line.connect(("127.0.0.1", place.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def send(self, data: bytes) -> bool:
        """Whether somebody was still there."""
        try:
            self.line.sendall(data)
        except OSError:
            return False
        return True

    def pour(self, pieces: Iterable[bytes]) -> int:
        """Sends until the server hangs up or there is no more; how many bytes that was."""
        sent = 0
        for piece in pieces:
            if not self.send(piece):
                break
            sent += len(piece)
        return sent

    def shake_hands(self, path: str = "/ws/v1/visitor", **headers: str) -> str:
        """The head of the server's answer. An empty header is left out."""
        lines = {
            "Host": f"{self.place.host}:{self.place.port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Origin": self.place.origin,
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        told = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.send(f"GET {path} HTTP/1.1\r\n{told}\r\n".encode("latin-1"))
        return self.http_head()

    def http_head(self) -> str:
        while b"\r\n\r\n" not in self.got:
            self._read()
        answer, _end, self.got = self.got.partition(b"\r\n\r\n")
        return answer.decode("latin-1")

    def next(self) -> tuple[int, bytes]:
        """(opcode, payload) of the server's next frame. Raises EOFError once the line is closed."""
        opcode, size = self._take(2)
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        return opcode & 15, self._take(size)

    def closed(self) -> int:
        """The code that the server closes with, whatever else it says before; 1006 where it just hangs up."""
        try:
            while True:
                opcode, payload = self.next()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
        except (EOFError, OSError):
            return 1006

    def hangs_up(self) -> bool:
        """Whether the server ends the line; what it says before is in `got`."""
        try:
            while True:
                self._read()
        except TimeoutError:
            return False
        except (EOFError, OSError):
            return True

    def _take(self, count: int) -> bytes:
        while len(self.got) < count:
            self._read()
        taken, self.got = self.got[:count], self.got[count:]
        return taken

    def _read(self) -> None:
        data = self.line.recv(2**16)
        if not data:
            raise EOFError
        self.got += data
