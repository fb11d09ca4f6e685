"""uvicorn's two protocols, with an end to what a client may make the server hold or wait for.

As they come, neither limits the time or the size of a request's head; a WebSocket that sends and never reads makes answers to its pings
pile up, and cannot be closed, because a close waits behind what is not read; and a single read is taken apart as a whole, 40,000 frames
of six bytes for instance, before anything else may run.
"""

from __future__ import annotations

import asyncio
import socket
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from kefu import arrivals

LINES = getrlimit(RLIMIT_NOFILE)[0] - 300  # of every kind, spoken on or not; the rest is for our own files
HEAD_WITHIN = 10.0  # seconds from the first byte of a request, or of a connection, to the end of its headers
HEAD_BYTES = 64 * 1024
LINGER_FOR = 2.0  # seconds for the rest of a request that is answered already: cut off, its sender would lose the answer
LINGER_BYTES = 2**24
READ_WITHIN = 30.0  # seconds for a client to read some of an answer
PIECE = 4096  # bytes of a WebSocket that are taken apart at once
FRAGMENTS = 1024  # of one message
CONTROLS, WINDOW = 1000, 10.0  # pings and pongs, and the seconds in which so many may come
GO_WITHIN = 5.0  # seconds for a client to take its close frame
UNREAD = 128 * 1024  # bytes that the system keeps for a client that does not read; it would take 4 MB
GO_BYTES = 64 * 1024  # that are still read from a client that was told to go
FLOODING, TOO_BIG = 4029, 1009


class Http(HttpToolsProtocol):
    """`late` ends the line when what is expected does not come in time, or when more than `room` bytes come instead."""

    late: asyncio.TimerHandle | None = None
    stuck: asyncio.TimerHandle | None = None
    room = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(HEAD_WITHIN, HEAD_BYTES)
        if 0 < LINES < len(self.connections):
            transport.abort()

    def _expect(self, seconds: float, room: int) -> None:
        self._expect_nothing()
        self.late, self.room = self.loop.call_later(seconds, self.transport.close), room

    def _expect_nothing(self) -> None:
        if self.late:
            self.late.cancel()
            self.late = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.late:
            self.room -= len(data)
            if self.room < 0:
                self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        arrivals.hold(self._upgrade)

    def _upgrade(self) -> None:
        if not self.transport.is_closing():
            super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        self._expect(HEAD_WITHIN, HEAD_BYTES)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._expect_nothing()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._expect(LINGER_FOR, LINGER_BYTES)

    def on_message_complete(self) -> None:
        self._expect_nothing()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stuck = self.loop.call_later(READ_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.stuck:
            self.stuck.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self.resume_writing()
        super().connection_lost(exc)


class WebSocket(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = GO_WITHIN
        self.rest = bytearray()  # read, and not taken apart: the application is busy with what came before
        self.out: list[bytes] = []  # written, and leaving in this turn of the loop
        self.controls, self.since = 0, 0.0
        self.after_close = 0  # bytes
        self.last_moment: asyncio.TimerHandle | None = None
        self.is_new = True  # it has not sent a message yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD)
        self.last_moment = self.loop.call_later(HEAD_WITHIN, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stay()
        arrivals.is_answered(self)
        for half in (self.rest, self.frames, self.conn.reader.buffer):  # the collector comes for them late
            half.clear()

    # --- Coming in ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.close_sent:
            self.after_close += len(data)
            if self.after_close > GO_BYTES:
                self.transport.close()
                return
        if self.rest or len(data) > PIECE:
            self.rest += data
            self._take_apart()
        else:
            super().data_received(data)

    def _take_apart(self) -> None:
        while self.rest and not self.read_paused and not self.transport.is_closing():
            piece = bytes(self.rest[:PIECE])
            del self.rest[:PIECE]
            super().data_received(piece)

    async def receive(self) -> Any:
        event = await super().receive()
        self._take_apart()
        return event

    def send_receive_event_to_app(self) -> None:
        super().send_receive_event_to_app()
        if self.is_new:
            self.is_new = False
            arrivals.arrives(self)

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if len(self.frames) > FRAGMENTS:
            self._fail(TOO_BIG, "too many fragments")

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # who does not read needs no more answers
        self._count_control()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count_control()

    def _count_control(self) -> None:
        now = self.loop.time()
        if now - self.since > WINDOW:
            self.since, self.controls = now, 0
        self.controls += 1
        if self.controls > CONTROLS:
            self._fail(FLOODING, "too many pings")

    def _fail(self, code: int, reason: str) -> None:
        if not self.close_sent and not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    # --- Going out ----------------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            arrivals.arrives(self)
            self.scope["extensions"]["kefu.write"] = {"write": self.write}

    def write(self, text: str) -> bool:
        """Sends `text` without the task and the awaits of ASGI's `send`; what is written in one turn of the loop leaves together.

        False: the client does not read fast enough, or is gone.
        """
        arrivals.is_answered(self)
        if not self.writable.is_set() or self.close_sent or self.disconnected or not self.handshake_complete:
            return False
        self.conn.send_text(text.encode())
        if not self.out:
            self.loop.call_soon(self._flush)
        self.out += self.conn.data_to_send()
        return True

    def _flush(self) -> None:
        out, self.out = self.out, []
        if out and not self.disconnected:
            self.transport.write(b"".join(out))

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._go_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._go_soon()

    async def send(self, message: Any) -> None:
        self._flush()
        if message["type"] == "websocket.close":
            self.writable.set()  # a goodbye waits for nothing: it goes behind what the client did not read
            self._go_soon()
        try:
            await super().send(message)
        finally:
            arrivals.is_answered(self)
        if message["type"] == "websocket.accept":
            self._stay()

    def _go_soon(self) -> None:
        """A transport closes once everything is read at the other end, which may be never."""
        if not self.last_moment and not self.disconnected:
            self.last_moment = self.loop.call_later(GO_WITHIN, self.transport.abort)

    def _stay(self) -> None:
        if self.last_moment:
            self.last_moment.cancel()
            self.last_moment = None
