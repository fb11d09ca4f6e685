"""The bell: tells everybody who listens that something was committed. Never storage; who misses a ring reads the database.

A topic is a conversation or a list of conversations. Each process has one channel of the channel layer and subscribes it to the
topics that somebody here listens to; what arrives is handed to them in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from itertools import count
from operator import attrgetter
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection, transaction
from pydantic_core import to_json
from redis import RedisError

from chat.events import Frame

logger = logging.getLogger(__name__)

SETTLED_WITHIN = 2.0  # seconds
BREATH = 100  # bells


@dataclass(slots=True)
class Bell:
    """A frame on its way to everybody who listens: written as JSON once, and what they must know of it without reading that."""

    text: str
    kind: str  # the frame's type
    conversation: str = ""
    seq: int = 0
    stream: str = ""
    reason: str = ""
    state: str = ""
    epoch: int = 0
    listed: bool = False  # tells a list of a new message, which says it all to who watches the conversation
    sender: str = ""  # the socket that it comes from, and does not go to


_fields = attrgetter(*(field.name for field in fields(Bell)))


class Listener(Protocol):
    def hear(self, bell: Bell) -> None: ...

    def missed(self, topics: list[str] | None) -> None:
        """Bells of `topics` (None: of any) may have been lost."""


# --- Topics -----------------------------------------------------------------------------------------------------------


def conversation_topic(schema: str, conversation: Any) -> str:
    """Both sides of one conversation."""
    return f"{schema}.conversation.{conversation}"


def inside_topic(schema: str, conversation: Any) -> str:
    """Agents who look at one conversation: what visitors never see."""
    return f"{schema}.inside.{conversation}"


def list_topic(schema: str, name: str) -> str:
    """How conversations stand, to agents who look at the list: "waiting", "all", or "mine.7", the own one of agent 7."""
    return f"{schema}.list.{name}"


def list_topics(schema: str, state: str, agent: int | None) -> set[str]:
    """The lists in which a conversation stands."""
    own = {"waiting": ["waiting"], "agent": [f"mine.{agent}"]}.get(state, [])
    return {list_topic(schema, name) for name in (*own, "all")}


def agents_topic(schema: str) -> str:
    """Every agent of the tenant: who is there."""
    return f"{schema}.agents"


# --- Ringing ----------------------------------------------------------------------------------------------------------


def ring(topics: Iterable[str], frame: Frame, sender: str = "") -> None:
    """Passes `frame` to everybody who listens to one of `topics`. For coroutines: their loop sends it on; nobody waits."""
    bell, fanout = _bell(frame, sender), _fanout()
    for topic in topics:
        fanout.ring(topic, bell)


def announce(topic: str, frame: Frame) -> None:
    """Rings once the transaction has committed; for verbs, inside the tenant's schema."""
    transaction.on_commit(partial(_ring_from_thread, topic, _bell(frame)))


def announce_in(topic_of: Any, target: Any, frame: Frame) -> None:
    """`announce` to a topic of the schema that this thread is in."""
    announce(topic_of(connection.schema_name, target), frame)  # type: ignore[attr-defined]


def _bell(frame: Frame, sender: str = "") -> Bell:
    return Bell(
        text=to_json(frame).decode(),
        kind=frame["type"],
        conversation=frame.get("conversation", ""),
        seq=frame["seq"] if frame["type"] == "message" else 0,
        stream=frame.get("stream") or "",
        reason=frame.get("reason") or "",
        state=frame.get("state", ""),
        epoch=frame.get("epoch", 0),
        listed="last" in frame and "visitor" not in frame,
        sender=sender,
    )


def _ring_from_thread(topic: str, bell: Bell) -> None:
    """Through the loop of this process, in order and without waiting for it; a process without sockets rings by itself."""
    try:
        if _home and not _home.is_closed():
            _home.call_soon_threadsafe(lambda: _fanouts[_home].ring(topic, bell))
        else:
            async_to_sync(get_channel_layer().group_send)(topic, _event(topic, bell))
    except (RedisError, OSError, RuntimeError):
        # Committed already: clients find it in the database when they next ask.
        logger.warning("Redis did not take a %s for %s", bell.kind, topic)


def _event(topic: str, bell: Bell) -> dict[str, Any]:
    return {"type": "bell", "topic": topic, "bell": _fields(bell)}


# --- Listening --------------------------------------------------------------------------------------------------------


async def listen(topic: str, listener: Listener) -> None:
    """Subscribed when this returns: what is committed from now on is heard."""
    await _fanout().listen(topic, listener)


async def ignore(topic: str, listener: Listener) -> None:
    await _fanout().ignore(topic, listener)


async def settle() -> None:
    """Returns when every bell that this loop has rung is with Redis: for the end of a process. Redis is not waited for long."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(SETTLED_WITHIN):
            await get_channel_layer().group_send("settled", {"type": "bell.settled"})  # behind all the others


class Fanout:
    """One a loop: who listens to which topic, and the one channel through which other processes ring."""

    def __init__(self) -> None:
        self.layer = get_channel_layer()
        self.listeners: dict[str, set[Listener]] = defaultdict(set)
        self.channel: asyncio.Future[str] | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.passing: deque[tuple[str, Bell]] = deque()  # being handed to listeners, or about to be

    def ring(self, topic: str, bell: Bell) -> None:
        if hasattr(self.layer, "post"):
            self._pass_on(topic, bell)
            self.layer.post(topic, _event(topic, bell), but=self.channel and self.channel.result())
        else:  # it comes back to us like everybody's
            self._run(self._send(topic, bell))

    async def _send(self, topic: str, bell: Bell) -> None:
        try:
            await self.layer.group_send(topic, _event(topic, bell))
        except (RedisError, OSError):
            logger.warning("Redis did not take a %s for %s", bell.kind, topic)

    async def listen(self, topic: str, listener: Listener) -> None:
        self.listeners[topic].add(listener)
        if self.channel is None:
            self.channel = asyncio.get_running_loop().create_future()
            self.channel.set_result(await self.layer.new_channel())
            self._run(self._hear(self.channel.result()))
        await self.layer.group_add(topic, await self.channel)

    async def ignore(self, topic: str, listener: Listener) -> None:
        those = self.listeners.get(topic)
        if those is None:
            return
        those.discard(listener)
        if not those:
            del self.listeners[topic]
            assert self.channel
            await self.layer.group_discard(topic, await self.channel)
            if topic in self.listeners:  # somebody began to listen meanwhile
                await self.layer.group_add(topic, await self.channel)

    async def _hear(self, channel: str) -> None:
        for n in count():
            if n % BREATH == 0:
                await asyncio.sleep(
                    0
                )  # `receive` does not wait while there is something: others must get a turn
            event = await self.layer.receive(channel)
            if event["type"] == "bell":
                self._pass_on(event["topic"], Bell(*event["bell"]))
            else:
                self._lost(event["groups"])

    def _pass_on(self, topic: str, bell: Bell) -> None:
        """To all before what one of them answers to it: everybody hears everything in the same order."""
        self.passing.append((topic, bell))
        if len(self.passing) > 1:
            return
        while self.passing:
            self._hand_out(*self.passing[0])
            self.passing.popleft()

    def _hand_out(self, topic: str, bell: Bell) -> None:
        for listener in tuple(self.listeners.get(topic, ())):
            try:
                listener.hear(bell)
            except Exception:  # one listener's trouble must not make the whole process deaf
                logger.exception("A listener failed at a %s", bell.kind)

    def _lost(self, topics: list[str] | None) -> None:
        touched = self.listeners.values() if topics is None else map(self.listeners.get, topics)
        for listener in {listener for those in touched for listener in those or ()}:
            listener.missed(topics)

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


_fanouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Fanout] = WeakKeyDictionary()
_home: asyncio.AbstractEventLoop | None = None  # the loop through which this process's threads ring


def _fanout() -> Fanout:
    global _home
    loop = asyncio.get_running_loop()
    fanout = _fanouts.get(loop)
    if fanout is None:
        fanout, _home = _fanouts.setdefault(loop, Fanout()), loop
    return fanout
