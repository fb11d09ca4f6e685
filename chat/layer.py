"""Our channel layer: Channels' own interface over Redis' publish and subscribe, made for few channels in many groups.

What is sent to a group reaches members on the same event loop at once and in memory, others through Redis. Nothing is stored; what
may have been lost is said: a channel then receives `{"type": "bell.lost", "groups": [names] or None for any}`.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from itertools import count

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

from chat.batch import Batch
from chat.exchange import Exchange
from chat.losses import Losses, Names
from chat.mailbox import Mailbox, Message
from chat.redis_line import read_address

_numbers = count()


class BellLayer(BaseChannelLayer):  # type: ignore[misc]
    """`capacity` is how many messages wait on a channel. Messages are shared by those who receive them: do not change them."""

    extensions = ("groups", "flush")

    def __init__(
        self,
        address: str,
        prefix: str = "bell",
        capacity: int = 10_000,
        channel_capacity: dict[str, int] | None = None,
    ) -> None:
        super().__init__(capacity=capacity, channel_capacity=self.compile_capacities(channel_capacity or {}))
        self._address = read_address(address)
        # To publish and subscribe, Redis knows no databases: installations that share one would hear each other.
        self._names = Names(f"{prefix}:{self._address.database}")
        self._group = lru_cache(10_000)(self._name)  # the same few are rung again and again
        self._losses = Losses(self._names)
        self._exchanges: dict[asyncio.AbstractEventLoop, Exchange] = {}

    # --- Channels -----------------------------------------------------------------------------------------------------

    async def new_channel(self, prefix: str = "specific") -> str:
        """The name of a channel that only this loop reads."""
        exchange = self._exchange()
        name = f"{prefix}.{exchange.origin}!{next(_numbers):x}"
        await exchange.effective(self._open(exchange, name))
        return name

    async def send(self, channel: str, message: Message) -> None:
        """Raises ChannelFull, which only a channel of this loop can."""
        self.require_valid_channel_name(channel)
        exchange = self._exchange()
        mailbox = exchange.channels.get(channel)
        if mailbox is None:
            batch = exchange.post(self._names.place(channel), (channel, message))
            if batch:
                await batch.taken()
        elif mailbox.is_full():
            raise ChannelFull
        else:
            mailbox.put(message)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        exchange = self._exchange()
        batch = None if channel in exchange.channels else self._open(exchange, channel)
        mailbox = exchange.channels[channel]
        try:
            await exchange.effective(batch)
            return await mailbox.get()
        except asyncio.CancelledError:
            if mailbox.is_deserted():
                # Its consumer is leaving, as far as anybody can tell; a further `receive` opens it again.
                exchange.channels.pop(channel, None)
            raise

    def _open(self, exchange: Exchange, channel: str) -> Batch | None:
        exchange.channels[channel] = Mailbox(self.get_capacity(channel))
        return exchange.subscribe(self._names.place(channel))

    # --- Groups -------------------------------------------------------------------------------------------------------

    async def group_add(self, group: str, channel: str) -> None:
        """Subscribed when this returns, unless Redis is away; then the channel is told once it is back."""
        name = self._group(group)
        self.require_valid_channel_name(channel)
        exchange = self._exchange()
        if channel not in exchange.channels:
            raise ValueError(f"{channel} is not read here; only its own loop can add it to a group")
        await exchange.effective(exchange.join(name, exchange.channels[channel]))

    async def group_discard(self, group: str, channel: str) -> None:
        name = self._group(group)
        self.require_valid_channel_name(channel)
        exchange = self._exchange()
        if channel in exchange.channels:
            exchange.leave(name, exchange.channels[channel])

    async def group_send(self, group: str, message: Message) -> None:
        """Returns when Redis has taken it, or cannot; then others are told once it is back."""
        batch = self._ring(group, message)
        if batch:
            await batch.taken()

    def post(self, group: str, message: Message, *, but: str | None = None) -> None:
        """`group_send` for who does not wait; only on an event loop. `but`: a channel of this loop that knows already."""
        self._ring(group, message, but)

    def _ring(self, group: str, message: Message, but: str | None = None) -> Batch | None:
        name, exchange = self._group(group), self._exchange()
        return exchange.ring(name, message, exchange.channels.get(but or ""))

    def _name(self, group: str) -> bytes:
        """What Redis knows it as. Raises TypeError, as Channels wants it."""
        self.require_valid_group_name(group)
        return self._names.group(group)

    # --- Loops --------------------------------------------------------------------------------------------------------

    def _exchange(self) -> Exchange:
        """That of the running loop. It ends with the loop."""
        loop = asyncio.get_running_loop()
        exchange = self._exchanges.get(loop)
        if exchange is None:
            for other in [other for other in tuple(self._exchanges) if other.is_closed()]:
                self._exchanges.pop(other, None)  # closed before its tasks had ended
            exchange = self._exchanges[loop] = Exchange(self._address, self._names, self._losses)
        return exchange

    async def flush(self) -> None:
        """Forgets the channels and groups of this loop and hangs up; whoever goes on using the layer begins anew."""
        exchange = self._exchanges.pop(asyncio.get_running_loop(), None)
        if exchange:
            exchange.task.cancel()
            await asyncio.wait([exchange.task])

    close = flush
