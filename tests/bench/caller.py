"""A WebSocket client with bad manners, for one connection at a time: it does what no library would do."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from typing import Any, Self

from tests.bench.wire import CLOSE, LOST, PING, PONG, Reader, code_of, frame, request

PATIENCE = 5.0  # seconds for what should come at once


class Caller:
    """Raises OSError (TimeoutError among it) where nothing comes."""

    def __init__(self, port: int, path: str) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.line.sendall(request(f"localhost:{port}", path))
        self.reader = Reader()
        self.waiting: list[tuple[int, bytes]] = []
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        status, rest = head.split(b"\r\n\r\n", 1)
        if b" 101 " not in status.split(b"\r\n")[0]:
            raise ConnectionRefusedError(status.decode("latin-1"))
        self.waiting += self.reader.feed(rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def send(self, data: bytes) -> None:
        self.line.sendall(data)

    def next(self) -> tuple[int, bytes]:
        """Opcode and payload; pings are answered on the way."""
        while True:
            while not self.waiting:
                self.waiting += self.reader.feed(self._receive())
            opcode, payload = self.waiting.pop(0)
            if opcode != PING:
                return opcode, payload
            self.send(frame(payload, PONG))

    def closed(self) -> int:
        """The server's close code, which is answered; LOST where it only hangs up."""
        try:
            while True:
                opcode, payload = self.next()
                if opcode == CLOSE:
                    self.send(frame(payload, CLOSE))
                    return code_of(payload)
        except ConnectionError:
            return LOST

    def abort(self) -> None:
        """Without a goodbye: the server's system is told that there is nobody."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.line.close()

    def _receive(self) -> bytes:
        data = self.line.recv(65_536)
        if not data:
            raise ConnectionResetError("hung up")
        return data


def ask(port: int, path: str) -> Any:
    """JSON over HTTP."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        line.request("GET", path)
        return json.loads(line.getresponse().read())
    finally:
        line.close()
