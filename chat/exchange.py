"""The channel layer of one event loop: its channels, its groups, and what it says to Redis and hears from there.

Whatever is sent while a write to Redis is under way travels in the next one: subscriptions, and one PUBLISH for each group
with all its messages. A PING ends the write; its answer says that all of it was done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Iterable
from typing import Any

import hiredis
import msgpack

from chat.batch import Batch
from chat.losses import Losses, Names, lost
from chat.mailbox import Mailbox, Message
from chat.redis_line import PING, Address, Line, command, connect

logger = logging.getLogger(__name__)

PATIENCE = 5  # seconds between pings; a line on which nothing came for two of them is dead
PROMPT = 1  # seconds that a new subscription is waited for
PAUSES = (0.1, 2.0)  # seconds before Redis is tried again: at first, at most
MOST_WAITING = 16_000_000  # bytes; half of what Redis lets a subscriber fall behind before it hangs up


class Exchange:
    def __init__(self, address: Address, names: Names, losses: Losses) -> None:
        self.address, self.names, self.losses = address, names, losses
        self.loop = asyncio.get_running_loop()
        self.origin = secrets.token_hex(8)
        self.mark = self.origin.encode()  # begins what we publish, so that we know our own
        self.pack = msgpack.Packer(autoreset=True)
        self.channels: dict[str, Mailbox] = {}
        self.subscribed: dict[bytes, set[Mailbox]] = {}  # members by the name that Redis shall tell us of
        self.next = Batch()  # being filled
        self.under_way: Batch | None = None
        self.line: Line | None = None
        self.is_down = False  # Redis could not be reached when last tried
        self.is_due = False  # a write has been scheduled
        self.task = self.loop.create_task(self._stay_connected())

    # --- Sending ------------------------------------------------------------------------------------------------------

    def post(self, name: bytes, messages: Any) -> Batch | None:
        """The batch in which it travels; None if Redis is away or behind: then it is lost, and remembered as that."""
        packed = self.pack.pack(messages)
        if self.is_down or self.next.size > MOST_WAITING:
            self.losses.add([name])
            return None
        self.next.posts.setdefault(name, []).append(packed)
        self.next.size += len(packed)
        self._write_soon()
        return self.next

    def ring(self, name: bytes, message: Message, but: Mailbox | None = None) -> Batch | None:
        batch = self.post(name, message)
        self._hand_out(name, [message], but)
        return batch

    # --- Subscribing --------------------------------------------------------------------------------------------------

    def subscribe(self, name: bytes) -> Batch | None:
        """The batch after which Redis tells us what is published under `name`; None if it does already."""
        if not self.subscribed:
            self.subscribed[self.names.everybody] = set()
            self.next.asks.add(self.names.everybody)
        if name not in self.subscribed:
            self.subscribed[name] = set()
            if name in self.next.drops:
                self.next.drops.remove(name)
            else:
                self.next.asks.add(name)
                self._write_soon()
        if name in self.next.asks:
            return self.next
        return self.under_way if self.under_way and name in self.under_way.asks else None

    def unsubscribe(self, name: bytes) -> None:
        del self.subscribed[name]
        if name in self.next.asks:
            self.next.asks.remove(name)
        else:
            self.next.drops.add(name)
            self._write_soon()

    def join(self, name: bytes, channel: Mailbox) -> Batch | None:
        batch = self.subscribe(name)
        self.subscribed[name].add(channel)
        channel.groups.add(name)
        return batch

    def leave(self, name: bytes, channel: Mailbox) -> None:
        members = self.subscribed.get(name, set())
        if channel in members:
            members.remove(channel)
            channel.groups.remove(name)
            if not members:
                self.unsubscribe(name)

    async def effective(self, batch: Batch | None) -> None:
        """Waits for a subscription, but not long: when it takes effect later, everybody here is told of what may have been missed."""
        if batch is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROMPT):
                if not self.is_down:
                    return await batch.taken()
        batch.missed = True

    # --- The write under way ------------------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        if self.line and not self.under_way and not self.is_due:
            self.is_due = True
            self.loop.call_soon(self._write)

    def _write(self) -> None:
        self.is_due = False
        if self.line is None or self.under_way:
            return
        self.under_way, self.next = self.next, Batch()
        for name in self.losses.take():
            notice = lost(self.names.groups_in(name))
            self.under_way.posts.setdefault(name, []).append(self.pack.pack(notice))
            if not self.under_way.missed:  # else everybody here will be told anyhow
                self._hand_out(name, [notice])  # lost on another loop of this process, perhaps
        self.line.transport.write(b"".join(self._commands(self.under_way)))

    def _commands(self, batch: Batch) -> Iterable[bytes]:
        if batch.drops:
            yield command("UNSUBSCRIBE", *batch.drops)
        if batch.asks:
            yield command("SUBSCRIBE", *batch.asks)
        for name, messages in batch.posts.items():
            data = b"".join((self.mark, self.pack.pack_array_header(len(messages)), *messages))
            yield command("PUBLISH", name, data)
        yield PING

    def _answered(self, refusal: hiredis.ReplyError | None) -> None:
        batch, self.under_way = self.under_way, None
        assert batch
        if refusal:
            self.losses.log_outage(refusal)
            self.losses.add(batch.posts)
        if batch.missed:
            self._hand_out(self.names.everybody, [lost(None)])
        batch.release()
        if self.next.asks or self.next.drops or self.next.posts:
            self._write_soon()

    # --- Hearing ------------------------------------------------------------------------------------------------------

    def _heard(self, name: bytes, data: bytes) -> None:
        if data.startswith(self.mark):
            return
        try:
            messages = msgpack.unpackb(memoryview(data)[len(self.mark) :], strict_map_key=False)
        except (ValueError, TypeError):
            messages = None
        if not isinstance(messages, list):
            logger.warning("Somebody else publishes under our name %r", name)
            return
        if name.startswith(self.names.place_prefix):
            for channel, message in messages:
                if channel in self.channels:
                    self.channels[channel].put(message)
        else:
            self._hand_out(name, messages)

    def _hand_out(self, name: bytes, messages: list[Message], but: Mailbox | None = None) -> None:
        everybody = name == self.names.everybody
        members = self.channels.values() if everybody else self.subscribed.get(name, ())
        for message in messages:
            for member in members:
                if member is not but:
                    member.put(message)

    # --- The line -----------------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        pause, longest = PAUSES
        try:
            while True:
                line = Line(self._heard, self._answered)
                try:
                    await connect(self.address, line)
                except Exception as problem:  # whatever it is, only trying again helps
                    self.losses.log_outage(repr(problem))
                    self._give_up()
                    pause = min(2 * pause, longest)
                else:
                    pause = PAUSES[0]
                    await self._talk(line)
                await asyncio.sleep(pause * random.uniform(0.5, 1))
        finally:
            self._give_up()

    async def _talk(self, line: Line) -> None:
        self.line, self.is_down = line, False
        self.losses.log_recovery()
        silent = 0
        try:
            while silent < 2 and not line.lost.done():
                line.is_silent = True
                self._write()
                await asyncio.wait([line.lost], timeout=PATIENCE)
                silent = silent + 1 if line.is_silent else 0
            self.losses.log_outage("it hung up" if line.lost.done() else "it does not answer")
        finally:
            line.transport.abort()
            self._lose()

    def _lose(self) -> None:
        """What was under way may have arrived or not; nobody tells us of anything any more."""
        batch, self.under_way, self.line = self.under_way, None, None
        if batch:
            self.losses.add(batch.posts)
            batch.release()
        self.next.asks = set(self.subscribed)
        self.next.drops.clear()
        self.next.missed = bool(self.subscribed)

    def _give_up(self) -> None:
        """Nobody waits for Redis any longer."""
        self.is_down = True
        batch, self.next = self.next, Batch(asks=set(self.subscribed), missed=bool(self.subscribed))
        self.losses.add(batch.posts)
        batch.release()
