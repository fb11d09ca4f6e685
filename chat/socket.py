"""What the two sockets share: the hello, the frame loop, errors that answer and close nothing, and the bell."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from math import inf
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from chat import caretaker, events
from chat.ear import Ear
from kefu import metrics
from kefu.errors import AlreadyTaken, KefuError, Overloaded, RateLimited, Unauthorised, WrongState
from tenants import registry
from tenants.models import Tenant

logger = logging.getLogger(__name__)

HELLO_WITHIN = 10.0  # seconds
STALL = 0.5  # seconds by which a punctual timer may be late
CLOSE_WITHIN = 2.0  # seconds for the close frame to leave; who does not even read that is cut off
WINDOW = 10.0  # seconds of the policy's `frames_per_ten_seconds`
BAD_CREDENTIALS, BAD_ORIGIN, FLOODING, SUSPENDED = 4001, 4003, 4029, 4090
GOING_AWAY = 1012
Verb = Callable[[Any, Any], Awaitable[Any]]


class Socket(AsyncConsumer, Ear):  # type: ignore[misc]
    side: ClassVar[str]
    kinds: ClassVar[dict[str, Any]]
    verbs: ClassVar[dict[str, Verb]]
    stands: ClassVar[Callable[[UUID], events.Frame]]  # how a conversation does, as this side may see it

    tenant: Tenant
    locale = "zh-hans"
    greeted = False
    busy = False  # with a frame
    is_counted = False  # among those who are there: see chat.presence
    over = False  # closed by us: what is still on its way in is not looked at
    window, frames = 0.0, 0  # when the window began, and what came since

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """From the handshake to the end. Channels' own loop makes two tasks for each event, and a channel that nobody needs here."""
        self.scope, self.base_send, self.tenant = scope, send, scope["tenant"]
        self.open(send, **scope.get("extensions", {}).get("kefu.write", {}))
        self.main = asyncio.current_task()
        await receive()
        await send({"type": "websocket.accept"})  # refused before this, a browser would not learn why
        with metrics.SOCKETS.labels(self.side).track_inprogress(), caretaker.looks_after(self):
            try:
                await self._serve(receive)
            except asyncio.CancelledError:
                if not self.over:
                    raise
            finally:
                await self._gone()

    async def _serve(self, receive: Any) -> None:
        if not self._origin_is_ours():
            self.close(BAD_ORIGIN)
        self._expect_hello(HELLO_WITHIN)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                if not self.over:
                    self.busy = True
                    await self._frame(event.get("text"))
                    self.busy = False
        finally:
            self.late.cancel()

    def _origin_is_ours(self) -> bool:
        """Browsers always say where a page comes from; other clients say nothing and carry a token."""
        origin = dict(self.scope["headers"]).get(b"origin")
        try:
            return origin is None or urlsplit(origin.decode("latin-1")).netloc == self.scope["host"]
        except ValueError:
            return False

    def _expect_hello(self, within: float, stall: float = STALL) -> None:
        loop = asyncio.get_running_loop()
        self.late = loop.call_later(within, self._close_unless_greeted, loop.time() + within + stall)

    def _close_unless_greeted(self, punctual: float) -> None:
        """Unless the hello is there, or may be, unread: then it is we who are slow, or were frozen. Only once: a crowd slows us, too."""
        if self.busy or asyncio.get_running_loop().time() > punctual:
            self._expect_hello(1.0, stall=inf)
        elif not self.greeted:
            self.close(BAD_CREDENTIALS)

    def close(self, code: int) -> None:
        """Says goodbye behind what is still waiting; returns at once."""
        if not self.over:
            self.over = True
            self.start(self._close(code))

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.line.empty()
                await self.base_send({"type": "websocket.close", "code": code})
        except (TimeoutError, OSError, RuntimeError):  # it does not read, or is gone
            pass
        if self.main:
            self.main.cancel()

    async def _gone(self) -> None:
        self.over = True
        await self.deafen()

    # --- Frames in ----------------------------------------------------------------------------------------------------

    async def _frame(self, text: str | None) -> None:
        if self._is_flooding():
            self.close(FLOODING)
            return
        now = await registry.current(self.tenant)
        if now is None or not now.is_active:
            self.close(SUSPENDED)
            return
        self.tenant = now
        self.held = []
        await self._answered(text)
        self.release()

    def _is_flooding(self) -> bool:
        now = time.monotonic()
        if now - self.window > WINDOW:
            self.window, self.frames = now, 0
        self.frames += 1
        is_too_much: bool = 0 < self.tenant.policy.frames_per_ten_seconds < self.frames
        return is_too_much and settings.LIMITS

    async def _answered(self, text: str | None) -> None:
        id, frame = None, None
        try:
            frame = events.parse(text, self.kinds if self.greeted else events.HELLO)
            id = getattr(frame, "id", None)
            _counter(self.side, frame.type).inc()
            if isinstance(frame, events.Hello):
                await self._greet(frame)
                translation.activate(self.locale)  # of this task alone, and so of this socket
            else:
                said = await type(self).verbs[frame.type](self, frame)
                if id and not isinstance(frame, events.Ping):
                    self.say(events.ack_frame(id, said))
        except Unauthorised:
            self.close(BAD_CREDENTIALS)
        except KefuError as error:
            if isinstance(error, RateLimited) and not self.greeted:  # too many sockets are open
                self.close(FLOODING)
            self.say(events.error_frame(error, error.id or id))
        except DatabaseError:
            logger.exception("The database failed a frame")
            self.say(events.error_frame(Overloaded(_("Please try again in a moment."), retry_after=2), id))
            if isinstance(frame, events.Hello):  # half greeted, and half subscribed
                self.close(GOING_AWAY)

    async def _greet(self, hello: events.Hello) -> None:
        raise NotImplementedError

    async def move(self, frame: events.Moving, verb: Callable[..., int], *args: Any) -> None:
        """Changes who answers, unless that has changed since the client knew of it; then it is told how the conversation stands."""
        cursor = self.cursors.get(frame.conversation)
        told = cursor.epoch or None if cursor else None
        meant = self.fence.meant(frame.conversation, told if frame.epoch is None else frame.epoch)
        try:
            now = await self.call(verb, *args, meant)
        except (AlreadyTaken, WrongState):
            self.start(self._say_how_it_stands(frame.conversation))
            raise
        self.fence.moved(frame.conversation, meant, now)

    async def _say_how_it_stands(self, conversation: UUID) -> None:
        with suppress(DatabaseError):  # then the next try will bring it
            state = await self.call(type(self).stands, conversation)
            self.say(state)
            if cursor := self.cursors.get(conversation):
                cursor.epoch = max(cursor.epoch, state["epoch"])

    async def ping(self, frame: events.Ping) -> None:
        self.say({"type": "pong", **({"id": frame.id} if frame.id else {})})


_counter = cache(metrics.FRAMES.labels)
