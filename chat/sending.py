"""A message that somebody sends: what a draft may become, and who is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import DatabaseError
from django.utils.translation import gettext as _

from chat import outbox, webhooks
from chat.actions import show_inside
from chat.delivery import conversation_topic, list_topics, ring
from chat.drafts import Draft, Sent, Written
from chat.events import listed_frame, message_frame
from chat.models import Effect
from chat.record import send_turn
from kefu.errors import AlreadyTaken, Blocked, KefuError, NotFound, WrongState
from tenants.context import database_call
from tenants.gather import Gathered
from tenants.models import Tenant

logger = logging.getLogger(__name__)

LISTED_WITHIN = 0.2  # seconds


def accepted(written: Written) -> Sent:
    """The message, new or known. Raises what its sender must be told where there is none."""
    if written.message is None:
        raise _refusal(written)
    return written.message


def _refusal(written: Written) -> KefuError:
    if written.outcome == "closed":
        return WrongState(_("This conversation is closed."))
    if written.outcome == "failed":
        return KefuError(_("This message could not be kept."))
    if written.outcome == "no_file":
        return NotFound(_("A file of this message is not there any more, or was sent already."))
    if written.outcome == "refused":
        return Blocked(_("This message cannot be sent."))
    if written.outcome == "not_owner" and written.agent:
        return AlreadyTaken(
            _("%(name)s has taken this conversation.") % {"name": written.agent["name"]},
            agent=written.agent,
        )
    if written.outcome == "not_owner":
        return WrongState(_("Take the conversation over first."))
    return NotFound(_("There is no such conversation."))


def tell(tenant: Tenant, draft: Draft, written: Written) -> None:
    """Once a draft is committed: both sides see it, agents see it in their lists, a worker is woken. On the loop; nobody waits."""
    schema = tenant.schema_name
    if written.outcome != "new" or written.message is None:
        return
    topic = conversation_topic(schema, draft.conversation)
    for message in filter(None, (written.message, written.answer)):
        ring([topic], message_frame(message))
    if written.message.seq == 1:
        _introduce((tenant, draft.conversation))
    else:
        _list(schema, written, written.message)
    if written.turn and not draft.claims:
        send_turn(schema, written.turn)
    for webhook in webhooks.heard(schema):
        _tell_webhook((schema, str(webhook)))


def _list(schema: str, written: Written, message: Sent) -> None:
    """Soon: of many messages in a moment, lists show the last one."""
    loop = asyncio.get_running_loop()
    news = _news.setdefault(loop, {})
    if not news:
        loop.call_later(LISTED_WITHIN, _ring_lists, news)
    news[message.conversation_id] = (schema, written, message)


def _ring_lists(news: dict[UUID, tuple[str, Written, Sent]]) -> None:
    listed = [*news.values()]
    news.clear()
    for schema, written, message in listed:
        agent = written.agent
        frame = listed_frame(
            message,
            state=written.state,
            epoch=written.epoch,
            agent=agent and {"id": agent["id"], "name": agent["name"]},
            seq=(written.answer or message).seq,
            unread=written.unread,
        )
        ring(list_topics(schema, written.state, agent["id"] if agent else None), frame)


_news: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[UUID, tuple[str, Written, Sent]]] = (
    WeakKeyDictionary()
)


async def _send_effects(targets: list[tuple[str, str]]) -> Sequence[None]:
    """One task for many messages: it does all that is due for its target."""
    for schema, webhook in {*targets}:
        outbox.send(schema, (Effect.Kind.WEBHOOK, webhook))
    return [None] * len(targets)


async def _show_inside(beginnings: list[tuple[Tenant, UUID]]) -> Sequence[None]:
    """Of a conversation that begins agents want to know more than its first message: who it is, and from which page."""
    for tenant, conversation in beginnings:
        try:
            await database_call(tenant, show_inside, conversation)
        except DatabaseError:
            logger.warning("%s: a new conversation is not in the agents' lists yet", tenant.schema_name)
    return [None] * len(beginnings)


async def settle() -> None:
    """Returns when everything that followed from committed messages is on its way: for the end of a process."""
    await asyncio.gather(_introduce.idle(), _tell_webhook.idle())


_introduce: Gathered[tuple[Tenant, UUID], None] = Gathered(_show_inside)
_tell_webhook: Gathered[tuple[str, str], None] = Gathered(_send_effects)
