"""What the two sockets share: the hello, the frame loop, errors that answer and close nothing, and the bell."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from chat import events, reading
from chat.delivery import conversation_group, ring
from chat.events import Frame
from chat.models import Message
from kefu import metrics
from kefu.errors import KefuError, Overloaded, Unauthorised
from tenants import registry
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

HELLO_WITHIN = 10.0  # seconds
MOST_FRAMES = 300  # that a socket may send in WINDOW seconds: far above what people and programs need
WINDOW = 10.0
BAD_CREDENTIALS, BAD_ORIGIN, FLOODING, SUSPENDED = 4001, 4003, 4029, 4090
Verb = Callable[[Any, Any], Awaitable[Any]]


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]
    side: ClassVar[str]
    kinds: ClassVar[dict[str, Any]]
    verbs: ClassVar[dict[str, Verb]]

    tenant: Tenant
    locale = "zh-hans"
    greeted = False
    over = False  # closed by us: what is still on its way in is not looked at
    window, frames = 0.0, 0  # when the window of MOST_FRAMES began, and what came since

    async def connect(self) -> None:
        self.tenant = self.scope["tenant"]
        self.groups_joined: set[str] = set()
        self.ended: set[str] = set()  # streams that are over: what still comes of them is not shown
        await self.accept()  # a refusal before this would reach a browser as a broken line, without its code
        if not self._origin_is_ours():
            await self.close(BAD_ORIGIN)
            return
        metrics.SOCKETS.labels(self.side).inc()
        self.timer = asyncio.get_running_loop().call_later(
            HELLO_WITHIN, lambda: asyncio.ensure_future(self._close_unless_greeted())
        )

    def _origin_is_ours(self) -> bool:
        """Browsers always say where a page comes from; other clients say nothing and carry a token."""
        origin = dict(self.scope["headers"]).get(b"origin")
        try:
            return origin is None or urlsplit(origin.decode("latin-1")).netloc == self.scope["host"]
        except ValueError:
            return False

    async def _close_unless_greeted(self) -> None:
        if not self.greeted:
            await self.close(BAD_CREDENTIALS)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        if not self.over:
            self.over = True
            await super().close(code, reason)

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "timer"):
            self.timer.cancel()
            metrics.SOCKETS.labels(self.side).dec()
        for group in getattr(self, "groups_joined", ()):  # last: it fails while Redis is away
            await self.channel_layer.group_discard(group, self.channel_name)

    # --- Frames in ----------------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.over:
            return
        if self._is_flooding():
            await self.close(FLOODING)
        elif await self._is_served():
            with translation.override(self.locale):
                await self._answered(text_data)

    def _is_flooding(self) -> bool:
        now = time.monotonic()
        if now - self.window > WINDOW:
            self.window, self.frames = now, 0
        self.frames += 1
        return settings.LIMITS and self.frames > MOST_FRAMES

    async def _is_served(self) -> bool:
        """Closes the socket of a tenant that was suspended or erased."""
        now = await registry.current(self.tenant)
        if now is None or not now.is_active:
            await self.close(SUSPENDED)
            return False
        self.tenant = now
        return True

    async def _answered(self, text: str | None) -> None:
        id = None
        try:
            frame = events.parse(text, self.kinds if self.greeted else events.HELLO)
            id = getattr(frame, "id", None)
            metrics.FRAMES.labels(self.side, frame.type).inc()
            if isinstance(frame, events.Hello):
                await self._greet(frame)
            else:
                await self._check_login()
                said = await type(self).verbs[frame.type](self, frame)
                if id and not isinstance(frame, events.Ping):
                    await self.say(events.ack_frame(id, said if isinstance(said, Message) else None))
        except Unauthorised:
            await self.close(BAD_CREDENTIALS)
        except KefuError as error:
            await self.say(events.error_frame(error, error.id or id))
        except DatabaseError:
            logger.exception("The database failed a frame")
            await self.say(
                events.error_frame(Overloaded(_("Please try again in a moment."), retry_after=2), id)
            )

    async def _greet(self, hello: events.Hello) -> None:
        raise NotImplementedError

    async def _check_login(self) -> None:
        """Raises Unauthorised once whoever said hello may no longer be here."""

    async def ping(self, frame: events.Ping) -> None:
        await self.say({"type": "pong", **({"id": frame.id} if frame.id else {})})

    # --- Frames out ---------------------------------------------------------------------------------------------------

    async def say(self, frame: Frame) -> None:
        await self.send(text_data=json.dumps(frame, ensure_ascii=False))

    async def deliver(self, event: dict[str, Any]) -> None:
        """A bell rang: pass its frame on, to who may still hear it."""
        try:
            if not self.over and await self._is_served():
                await self._check_login()
                await self._pass_on(event)
        except Unauthorised:
            await self.close(BAD_CREDENTIALS)
        except DatabaseError:
            logger.warning("A login could not be checked; a frame is not passed on")  # its hole asks for it

    async def _pass_on(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        if frame["type"] == "answer.end":
            self.ended.add(frame["stream"])
        elif frame["type"] in ("answer.start", "answer.delta") and frame["stream"] in self.ended:
            return
        if event.get("from") != self.channel_name:
            await self.say(frame)

    async def join(self, group: str) -> None:
        self.groups_joined.add(group)
        await self.channel_layer.group_add(group, self.channel_name)

    async def leave(self, group: str) -> None:
        self.groups_joined.discard(group)
        await self.channel_layer.group_discard(group, self.channel_name)

    async def tell(self, group: str, frame: Frame) -> None:
        """Passing news (typing, read) to the others, never stored."""
        await ring(group, frame, sender=self.channel_name)

    def conversation_group(self, conversation: Any) -> str:
        return conversation_group(self.tenant.schema_name, conversation)

    async def call(self, verb: Callable[..., Any], *args: Any) -> Any:
        return await database_call(self.tenant, verb, *args)

    async def resend(self, conversation: UUID, after: int) -> None:
        """Everything after `after`, in order; or, where that is too much for frames, the way to fetch it."""
        messages, more = await self.call(reading.messages_after, conversation, after)
        if more:
            await self.say(resync_required(conversation))
            return
        for frame in messages:
            await self.say(frame)


def resync_required(conversation: UUID) -> Frame:
    return {"type": "resync_required", "conversation": str(conversation)}
