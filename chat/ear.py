"""What one socket has been told, and how: bells become frames, in order, each once; a hole is read from the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from django.db import DatabaseError
from pydantic_core import to_json

from chat import delivery, reading
from chat.cursors import Cursor, missed
from chat.delivery import Bell
from chat.events import Frame
from chat.fence import Fence
from chat.line import Line
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

MOST_HELD = 100  # bells
conversation_of = lru_cache(100_000)(UUID)  # of a bell: the same few over and over, each to many listeners
TOO_SLOW, GOING_AWAY = 4008, 1012


class Ear:
    """Of a socket, which is one: `listen`s to topics and keeps a cursor for each conversation whose messages it passes on."""

    tenant: Tenant

    def open(self, send: Any, **at_once: Any) -> None:
        self.id = uuid4().hex
        self.line = Line(send, lambda: self.close(TOO_SLOW), **at_once)
        self.topics: set[str] = set()
        self.cursors: dict[UUID, Cursor] = {}
        self.fence = Fence()
        self.ended: set[str] = set()  # streams that are over: what still comes of them is not shown
        self.tasks: set[asyncio.Task[None]] = set()
        self.held: list[Bell] | None = None  # bells that wait until the frame at hand is answered

    def close(self, code: int) -> None:
        raise NotImplementedError

    async def call(self, verb: Any, *args: Any) -> Any:
        return await database_call(self.tenant, verb, *args)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` beside the frames, until it ends or the socket does."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def deafen(self) -> None:
        """Nothing more is heard, sent or read."""
        self.line.cut()
        for task in self.tasks:
            task.cancel()
        for topic in self.topics:
            await delivery.ignore(topic, self)

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
            self.release()

    def release(self) -> None:
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
        if cursor := self.cursors.get(conversation_of(bell.conversation)):
            cursor.epoch = max(cursor.epoch, bell.epoch)
        self.line.put(bell.text)

    def _hear_message(self, bell: Bell) -> None:
        conversation = conversation_of(bell.conversation)
        cursor = self.cursors.get(conversation)
        if cursor is None:
            return
        if cursor.is_next(bell.seq):
            self.line.put(bell.text)
        elif cursor.has_hole:
            self.start(self.catch_up(conversation, cursor))

    def look(self, conversation: UUID, last_seq: int) -> None:
        """Somebody saw in the database that the conversation has got that far."""
        cursor = self.cursors.get(conversation)
        if cursor and last_seq > cursor.seq:
            cursor.heard = max(cursor.heard, last_seq)
            self.start(self.catch_up(conversation, cursor))

    def deleted(self, conversation: UUID) -> None:
        """Somebody saw that the conversation is gone."""

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
        news = await missed((self.tenant, (conversation, cursor.seq, cursor.epoch)))
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


def resync_required(conversation: UUID) -> Frame:
    return {"type": "resync_required", "conversation": str(conversation)}
