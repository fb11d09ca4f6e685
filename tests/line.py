"""A line to Redis that can be frozen."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Line:
    """What passes through it on the way to Redis, until it freezes: connected, and silent."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.to = (parts.hostname, parts.port)
        self.flows = threading.Event()
        self.flows.set()
        self.door = socket.create_server(("127.0.0.1", 0))
        port = self.door.getsockname()[1]
        self.address = address.replace(f":{parts.port}/", f":{port}/")
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flows.set()
        self.door.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                near, far = self.door.accept()[0], socket.create_connection(self.to)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self.pass_on, args=(*ends, self.flows), daemon=True).start()

    def pass_on(self, source: socket.socket, target: socket.socket, flows: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                flows.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def freeze_what_is_open(self) -> None:
        """As after a fail-over: new connections work."""
        frozen, self.flows = self.flows, threading.Event()
        self.flows.set()
        frozen.clear()
