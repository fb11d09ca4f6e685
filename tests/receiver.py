"""Somebody else's web server that does as it is told: what webhooks are sent to, and look-ups ask.

    with Receiver("500", "200") as receiver:
        outbound.post(receiver.url, ...)
        assert receiver.requests[0].body == ...

Each request takes the next word of the script; the last one stays. Words: a status, `redirect:ADDRESS`,
`json:TEXT` and the keys of SCRIPTS.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        word = self.server.take(Request(self.command, self.path, headers, self.rfile.read(length)))
        with suppress(ConnectionError):  # whoever asked is gone
            self.answer(word)

    do_GET = do_POST

    def answer(self, word: str) -> None:
        if word in SCRIPTS:
            SCRIPTS[word](self)
        elif word.startswith("redirect:"):
            self.say(302, b"", Location=word.removeprefix("redirect:"))
        elif word.startswith("json:"):
            self.say(200, word.removeprefix("json:").encode(), **{"Content-Type": "application/json"})
        else:
            self.say(int(word), b"said " + word.encode())

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def stall(request: Answering) -> None:
    request.server.leaving.wait()


def drip(request: Answering) -> None:
    """A head that never ends: each byte comes in time, the answer does not."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not request.server.leaving.wait(0.05):
        request.wfile.write(b"x")


def endless(request: Answering) -> None:
    request.send_response(200)
    request.end_headers()
    while not request.server.leaving.is_set():
        request.wfile.write(b"x" * 65536)


def packed(request: Answering) -> None:
    """A little that unpacks to a lot."""
    request.say(200, gzip.compress(b"[" + b"0," * 500_000 + b"0]"), **{"Content-Encoding": "gzip"})


def deep(request: Answering) -> None:
    request.say(200, b"[" * 100_000)


def hang_up(request: Answering) -> None:
    request.close_connection = True


def nonsense(request: Answering) -> None:
    request.wfile.write(b"220 mail.example ESMTP\r\n")


SCRIPTS: dict[str, Callable[[Answering], None]] = {
    "stall": stall,
    "drip": drip,
    "endless": endless,
    "packed": packed,
    "deep": deep,
    "hang up": hang_up,
    "nonsense": nonsense,
}


class Receiver(ThreadingHTTPServer):
    """Listens on a free port of loopback while the block lasts."""

    daemon_threads = True

    def __init__(self, *script: str) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.script = list(script) or ["200"]
        self.requests: list[Request] = []
        self.leaving = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, request: Request) -> str:
        with self.lock:
            self.requests.append(request)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def handle_error(self, *_: Any) -> None:
        pass

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        self.shutdown()
        self.server_close()
