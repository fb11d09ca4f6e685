"""Webhooks: the company's own addresses are told what happens here, signed as https://www.standardwebhooks.com describes.

`webhook-id` stays the same over every try, so that a receiver which has seen it may drop what comes again.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic_core import to_json
from standardwebhooks import Webhook as Signature

from chat import outbox
from chat.models import Case, Conversation, Effect, Message, Webhook
from tenants import outbound
from tenants.actions import touch
from tenants.context import database_call
from tenants.models import Tenant

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

MESSAGE = "message.created"
EVENTS: dict[str, StrPromise] = {
    "conversation.waiting": gettext_lazy("A visitor waits for a person"),
    "conversation.assigned": gettext_lazy("A person has a conversation"),
    "conversation.closed": gettext_lazy("A conversation has ended"),
    "complaint.taken": gettext_lazy("A complaint was taken"),
    MESSAGE: gettext_lazy("Somebody wrote a message (this may be many)"),
}
BY_STATE = {
    Conversation.State.WAITING: "conversation.waiting",
    Conversation.State.AGENT: "conversation.assigned",
    Conversation.State.CLOSED: "conversation.closed",
}
TEST = "test"
GONE = 410  # "do not come again"
SHOWN = 200  # characters of an answer

Subscribers = dict[str, list[int]]  # webhooks by event
_subscribers: dict[str, tuple[int, Subscribers]] = {}  # by schema, with the tenant's revision


# --- What happened ----------------------------------------------------------------------------------------------------


def conversation_moved(conversation: Conversation) -> None:
    """For chat.record.move: inside the schema and the transaction, as all of these."""
    if event := BY_STATE.get(Conversation.State(conversation.state)):
        _record(event, lambda: {"conversation": _conversation(conversation)})


def complaint_taken(case: Case) -> None:
    _record(
        "complaint.taken",
        lambda: {
            "case": {"number": case.number, "text": case.text},
            "conversation": _conversation(case.conversation),
        },
    )


def message_created(message: Message) -> None:
    _record(
        MESSAGE,
        lambda: {
            "conversation": {"id": str(message.conversation_id)},
            "message": {
                "id": message.pk,
                "seq": message.seq,
                "sender": {"kind": message.sender_kind, "name": message.sender_name},
                "text": message.text,
                "attachments": message.attachments,
                "at": message.created_at.isoformat(timespec="milliseconds"),
            },
        },
    )


# The same in the writer's own statement, of the rows that it has `written`; only where `heard` says that somebody wants it.
MESSAGES_CREATED = """, told AS (
    INSERT INTO {s}.chat_effect (id, kind, target, payload)
    SELECT gen_random_uuid(), 'webhook', w.id::text, jsonb_build_object(
        'type', 'message.created', 'timestamp', m.created_at, 'data', jsonb_build_object(
            'conversation', jsonb_build_object('id', m.conversation_id),
            'message', jsonb_build_object(
                'id', m.id, 'seq', m.seq, 'sender', jsonb_build_object('kind', m.sender_kind, 'name', m.sender_name),
                'text', m.text, 'attachments', m.attachments, 'at', m.created_at
            )
        )
    )
    FROM written m JOIN {s}.chat_webhook w ON w.is_enabled AND w.events @> '["message.created"]'
)"""


def _conversation(conversation: Conversation) -> dict[str, Any]:
    agent, visitor = conversation.agent, conversation.visitor
    return {
        "id": str(conversation.pk),
        "state": conversation.state,
        "epoch": conversation.epoch,
        "reason": conversation.reason,
        "agent": agent and {"id": agent.pk, "name": agent.name},
        "visitor": {"id": str(visitor.pk), "name": visitor.name, "locale": visitor.locale},
    }


def _record(event: str, data: Callable[[], dict[str, Any]]) -> None:
    for webhook in subscribers(connection.tenant, event):  # type: ignore[attr-defined]
        outbox.record(Effect.Kind.WEBHOOK, str(webhook), payload(event, data()))


def payload(event: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": event, "timestamp": timezone.now().isoformat(timespec="milliseconds"), "data": data}


# --- Who wants to know ------------------------------------------------------------------------------------------------


def subscribers(tenant: Tenant, event: str) -> list[int]:
    """Webhooks that want `event`, as of the tenant's revision. Inside the tenant's schema; without a query while that stands."""
    known = _subscribers.get(tenant.schema_name)
    if known is None or known[0] != tenant.revision:
        known = _subscribers[tenant.schema_name] = (tenant.revision, _load())
    return known[1].get(event, [])


async def learn(tenant: Tenant) -> None:
    """For coroutines: afterwards `heard` knows."""
    known = _subscribers.get(tenant.schema_name)
    if known is None or known[0] != tenant.revision:
        await database_call(tenant, subscribers, tenant, MESSAGE)


def heard(schema: str) -> list[int]:
    """Webhooks that want every message, as this process last learned it. Never a query."""
    known = _subscribers.get(schema)
    return known[1].get(MESSAGE, []) if known else []


def _load() -> Subscribers:
    found: Subscribers = defaultdict(list)
    for pk, events in Webhook.objects.filter(is_enabled=True).values_list("pk", "events"):
        for event in events:
            found[event].append(pk)
    return dict(found)


# --- Telling them -----------------------------------------------------------------------------------------------------


def deliver(tenant: Tenant, effect: Effect) -> None:
    """One try. Raises outbox.NotDone."""
    webhook = Webhook.objects.filter(pk=effect.target).first()
    if webhook is None or not webhook.is_enabled:
        raise outbox.NotDone(_("The webhook is switched off."), permanent=True)
    try:
        reply = post(webhook, effect.pk, effect.payload)
    except outbound.Refused as refusal:
        failure = outbox.NotDone(str(refusal))
    except outbound.Unreachable as silence:
        failure = outbox.NotDone(str(silence), unreachable=True)
    else:
        if is_taken(reply):
            Webhook.objects.filter(pk=webhook.pk).update(answered_at=timezone.now())
            return
        failure = outbox.NotDone(f"{reply.status}: {reply.text[:SHOWN]}", permanent=reply.status == GONE)
    _switch_off_if_hopeless(tenant, webhook, effect, failure)
    raise failure


def post(webhook: Webhook, id: UUID, content: dict[str, Any]) -> outbound.Reply:
    """Raises outbound.Refused and outbound.Unreachable."""
    text = to_json(content).decode()
    headers = {"Content-Type": "application/json", **signed(webhook.secret, f"msg_{id.hex}", text)}
    return outbound.post(webhook.url, text.encode(), headers)


def is_taken(reply: outbound.Reply) -> bool:
    return 200 <= reply.status < 300


def signed(secret: str, id: str, text: str) -> dict[str, str]:
    now = int(time.time())
    signature = Signature(secret).sign(id, datetime.fromtimestamp(now, UTC), text)
    return {"webhook-id": id, "webhook-timestamp": str(now), "webhook-signature": signature}


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _switch_off_if_hopeless(
    tenant: Tenant, webhook: Webhook, effect: Effect, failure: outbox.NotDone
) -> None:
    """Whoever said "gone", or took nothing at all since this effect was recorded until its last try, is asked no more."""
    silent = webhook.answered_at is None or webhook.answered_at < effect.created_at
    if not failure.permanent and (effect.attempts < outbox.TRIES or not silent):
        return
    why = _("Nothing was taken for %(tries)d tries in a row. Last: %(error)s")
    trouble = (why % {"tries": effect.attempts, "error": failure})[:300]
    Webhook.objects.filter(pk=webhook.pk, is_enabled=True).update(is_enabled=False, trouble=trouble)
    touch(tenant)
