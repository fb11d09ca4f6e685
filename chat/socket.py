"""What the two sockets share: the hello, the frame loop, errors that answer and close nothing, and the bell."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _
from pydantic_core import to_json

from chat import caretaker, delivery, events, reading
from chat.cursors import Cursor, missed
from chat.delivery import Bell
from chat.events import Frame
from chat.line import Line
from kefu import metrics
from kefu.errors import KefuError, Overloaded, RateLimited, Unauthorised
from tenants import registry
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

HELLO_WITHIN = 10.0  # seconds
CLOSE_WITHIN = 2.0  # seconds for the close frame to leave; who does not even read that is cut off
WINDOW = 10.0  # seconds of the policy's `frames_per_ten_seconds`
MOST_HELD = 100  # bells
BAD_CREDENTIALS, BAD_ORIGIN, TOO_SLOW, FLOODING, SUSPENDED = 4001, 4003, 4008, 4029, 4090
GOING_AWAY = 1012
Verb = Callable[[Any, Any], Awaitable[Any]]


class Socket(AsyncConsumer):  # type: ignore[misc]
    side: ClassVar[str]
    kinds: ClassVar[dict[str, Any]]
    verbs: ClassVar[dict[str, Verb]]

    tenant: Tenant
    locale = "zh-hans"
    greeted = False
    is_counted = False  # among those who are there: see chat.presence
    over = False  # closed by us: what is still on its way in is not looked at
    window, frames = 0.0, 0  # when the window began, and what came since

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """From the handshake to the end. Channels' own loop makes two tasks for each event, and a channel that nobody needs here."""
        self.scope, self.base_send, self.tenant = scope, send, scope["tenant"]
        self.id = uuid4().hex
        at_once = scope["extensions"].get("kefu.write", {})
        self.line = Line(send, lambda: self.close(TOO_SLOW), **at_once)
        self.topics: set[str] = set()
        self.cursors: dict[UUID, Cursor] = {}
        self.ended: set[str] = set()  # streams that are over: what still comes of them is not shown
        self.tasks: set[asyncio.Task[None]] = set()
        self.held: list[Bell] | None = None  # bells that wait until the frame at hand is answered
        self.main = asyncio.current_task()
        await receive()
        await send(
            {"type": "websocket.accept"}
        )  # a refusal before this would reach a browser without its code
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
        late = asyncio.get_running_loop().call_later(HELLO_WITHIN, self._close_unless_greeted)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                if not self.over:
                    await self._frame(event.get("text"))
        finally:
            late.cancel()

    def _origin_is_ours(self) -> bool:
        """Browsers always say where a page comes from; other clients say nothing and carry a token."""
        origin = dict(self.scope["headers"]).get(b"origin")
        try:
            return origin is None or urlsplit(origin.decode("latin-1")).netloc == self.scope["host"]
        except ValueError:
            return False

    def _close_unless_greeted(self) -> None:
        if not self.greeted:
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
        self.line.cut()
        for task in self.tasks:
            task.cancel()
        for topic in self.topics:
            await delivery.ignore(topic, self)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` beside the frames, until it ends or the socket does."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

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
        self._release()

    def _is_flooding(self) -> bool:
        now = time.monotonic()
        if now - self.window > WINDOW:
            self.window, self.frames = now, 0
        self.frames += 1
        return settings.LIMITS and 0 < self.tenant.policy.frames_per_ten_seconds < self.frames

    async def _answered(self, text: str | None) -> None:
        id = None
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

    async def _greet(self, hello: events.Hello) -> None:
        raise NotImplementedError

    async def ping(self, frame: events.Ping) -> None:
        self.say({"type": "pong", **({"id": frame.id} if frame.id else {})})

    async def call(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await database_call(self.tenant, verb, *args)

    # --- Frames out ---------------------------------------------------------------------------------------------------

    def say(self, frame: Frame) -> None:
        self.line.put(to_json(frame).decode())

    def tell(self, topic: str, frame: Frame) -> None:
        """Passing news (typing, read) to the others, never stored."""
        delivery.ring([topic], frame, sender=self.id)

    def hear(self, bell: Bell) -> None:
        """A bell rang. What a frame brings about comes after its `ack`."""
        if self.held is None:
            self.pass_on(bell)
            return
        self.held.append(bell)
        if len(self.held) > MOST_HELD:
            self._release()

    def _release(self) -> None:
        held, self.held = self.held or [], None
        for bell in held:
            self.pass_on(bell)

    def pass_on(self, bell: Bell) -> None:
        """Sends the bell's frame, if it is news to this socket."""
        if bell.kind == "message":
            self._hear_message(bell)
        elif bell.kind == "answer.end":
            self.ended.add(bell.stream)
            self.line.put(bell.text)
        elif bell.kind == "conversation":
            self._hear_state(bell)
        elif bell.stream not in self.ended and bell.sender != self.id:
            self.line.put(bell.text)

    def _hear_state(self, bell: Bell) -> None:
        if cursor := self.cursors.get(UUID(bell.conversation)):
            cursor.epoch = max(cursor.epoch, bell.epoch)
        self.line.put(bell.text)

    def _hear_message(self, bell: Bell) -> None:
        conversation = UUID(bell.conversation)
        cursor = self.cursors.get(conversation)
        if cursor is None:
            return
        if cursor.is_next(bell.seq):
            self.line.put(bell.text)
        elif cursor.has_hole:
            self.start(self.catch_up(conversation, cursor))

    def missed(self, topics: list[str] | None) -> None:
        """The line to Redis was broken, and bells with it: the database knows what they were about."""
        for conversation, cursor in self.cursors.items():
            if topics is None or self.conversation_topic(conversation) in topics:
                self.start(self.catch_up(conversation, cursor))

    def conversation_topic(self, conversation: Any) -> str:
        return delivery.conversation_topic(self.tenant.schema_name, conversation)

    def go_on(self, conversation: UUID, cursor: Cursor, sent: list[Frame], state: Frame) -> None:
        """Bells may pass from now on: the database was read up to `sent`, or to the state's `seq` where nothing was sent."""
        cursor.seq = max(cursor.seq, sent[-1]["seq"] if sent else state["seq"])
        cursor.epoch = max(cursor.epoch, state["epoch"])
        cursor.reading = False
        if cursor.has_hole:
            self.start(self.catch_up(conversation, cursor))

    async def catch_up(self, conversation: UUID, cursor: Cursor) -> None:
        """Sends what the database has beyond the cursor, until no bell has spoken of more."""
        if cursor.reading:
            return
        cursor.reading = True
        try:
            await self._read_on(conversation, cursor)
            while cursor.heard > cursor.seq:
                await self._read_on(conversation, cursor)
        except DatabaseError:
            logger.warning("A socket could not catch up; it closes, and its client comes back")
            self.close(GOING_AWAY)
        finally:
            cursor.reading = False

    async def _read_on(self, conversation: UUID, cursor: Cursor) -> None:
        news = await missed((self.tenant, conversation, cursor.seq, cursor.epoch))
        for frame in news.messages:
            self.say(frame)
        if news.too_many:
            self.say(resync_required(conversation))
        if news.state:
            self.say(news.state)
        if news.seq == cursor.seq:  # nothing more is there, whatever was heard
            cursor.heard = cursor.seq
        cursor.seq, cursor.epoch = news.seq, news.epoch

    async def listen(self, topic: str) -> None:
        self.topics.add(topic)
        await delivery.listen(topic, self)

    async def ignore(self, topic: str) -> None:
        self.topics.discard(topic)
        await delivery.ignore(topic, self)

    async def resend(self, conversation: UUID, after: int) -> None:
        """Everything after `after`, in order; or, where that is too much for frames, the way to fetch it."""
        messages, more = await self.call(reading.messages_after, conversation, after)
        if more:
            self.say(resync_required(conversation))
            return
        for frame in messages:
            self.say(frame)


_counter = cache(metrics.FRAMES.labels)


def resync_required(conversation: UUID) -> Frame:
    return {"type": "resync_required", "conversation": str(conversation)}
