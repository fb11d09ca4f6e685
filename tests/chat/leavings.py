"""A visitor who has left something of everything that a visitor can leave."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from uuid import uuid4

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from chat import access
from chat.models import (
    Agent,
    Attachment,
    Case,
    Conversation,
    Effect,
    Feedback,
    Message,
    Note,
    PendingTurn,
    Visitor,
)
from inference import dialogue
from tenants.context import inside
from tenants.counting import take_now
from tenants.erasure import traces
from tenants.models import Tenant
from tenants.redis import sync_redis
from tests.conftest import open_chat

QUEUE = "work"  # which no worker of these tests consumes
SAID = "我的订单 20261127 还没有到"


@dataclass
class Left:
    tenant: Tenant
    visitor: Visitor
    conversations: list[Conversation]
    token: str
    turn: PendingTurn

    @property
    def conversation(self) -> Conversation:
        return self.conversations[-1]

    def here(self) -> dict[str, int]:
        """What of this visitor is there by now: nothing, or everything."""
        theirs = {"conversation__in": [one.pk for one in self.conversations]}
        ids = [str(self.visitor.pk), *(str(one.pk) for one in self.conversations)]
        with inside(self.tenant):
            rows = {
                model.__name__: model._base_manager.filter(**theirs).count()
                for model in (Message, Attachment, Note, Case, PendingTurn)
            }
            rows["Visitor"] = Visitor.objects.filter(pk=self.visitor.pk).count()
            rows["Conversation"] = Conversation.objects.filter(pk__in=theirs["conversation__in"]).count()
            rows["Feedback"] = Feedback.objects.filter(
                message__conversation__in=theirs["conversation__in"]
            ).count()
            effects = [str(payload) for payload in Effect.objects.values_list("payload", flat=True)]
            rows["Effect"] = sum(any(id in payload for id in ids) for payload in effects)
            rows["LogEntry"] = LogEntry.objects.filter(object_id__in=ids).count()
            folder = default_storage.path(f"attachments/{self.conversation.pk}")
            rows["files"] = len(default_storage.listdir(folder)[1]) if default_storage.exists(folder) else 0
        rows["keys"] = sum(any(id in key for id in ids) for key in traces.all_keys())
        rows["tasks"] = sum(str(self.turn.pk) in task.names for task in traces.tasks())
        return rows


def message(schema: str, turn: object) -> bytes:
    body = base64.b64encode(json.dumps([[schema, str(turn)], {}, {}]).encode()).decode()
    return json.dumps(
        {"body": body, "headers": {"task": "chat.tasks.answer_turn"}, "properties": {}}
    ).encode()


def hold(tag: str, schema: str, turn: object) -> None:
    """As a worker does that has taken a task and not finished it."""
    sync_redis().hset("unacked", tag, json.dumps([json.loads(message(schema, turn)), "", "work"]))
    sync_redis().zadd("unacked_index", {tag: 1})


def leave(tenant: Tenant, name: str) -> Left:
    with inside(tenant):
        first, agent = open_chat(tenant), _agent()
        visitor = first.visitor
        visitor.name, visitor.page = name, {"url": "https://shop.example/cart", "title": "Cart"}
        visitor.save()
        Conversation.objects.filter(pk=first.conversation.pk).update(state="closed", closed_at=timezone.now())
        second = Conversation.objects.create(
            visitor=visitor, state="agent", agent=agent, last_seq=2, reason=SAID, rating_comment=SAID
        )
        turn = _rows(second, agent, name)
        _beside(tenant, visitor, second, turn)
        token = access.visitor_token(tenant, visitor)
        conversations = [first.conversation, second]
    return Left(tenant, visitor, conversations, token, turn)


def _agent() -> Agent:
    """Who never logs in: to hash a password takes long."""
    return Agent.objects.create(user=User.objects.create(username=uuid4().hex), name="Ann")


def _rows(conversation: Conversation, agent: Agent, name: str) -> PendingTurn:
    rows = conversation.messages
    asked = rows.create(seq=1, sender_kind="visitor", sender_name=name, text=SAID)
    answered = rows.create(
        seq=2, sender_kind="bot", text="马上为您查", path={"steps": [{"step": "retrieve", "query": SAID}]}
    )
    Feedback.objects.create(message=answered, score=-1, comment="没用")
    Note.objects.create(conversation=conversation, n=1, agent=agent, text=f"{name} is upset")
    Case.objects.create(conversation=conversation, text=SAID)
    for n, of in enumerate((asked, None)):
        path = default_storage.save(f"attachments/{conversation.pk}/{n}", ContentFile(b"receipt"))
        Attachment.objects.create(
            conversation=conversation, message=of, sender_kind="visitor", name="收据.txt",
            type="text/plain", size=7, file=path,
        )  # fmt: skip
    return PendingTurn.objects.create(
        conversation=conversation, through_seq=1, epoch=0, sent_at=timezone.now()
    )


def _beside(tenant: Tenant, visitor: Visitor, conversation: Conversation, turn: PendingTurn) -> None:
    about = {"conversation": {"id": str(conversation.pk)}, "message": {"text": SAID}}
    Effect.objects.create(kind="webhook", target="1", payload={"type": "message.created", "data": about})
    Effect.objects.create(
        kind="webhook", target="1", payload={"data": {"visitor": {"id": str(visitor.pk)}}}, done_at=timezone.now()
    )  # fmt: skip
    Effect.objects.create(kind="email", target="x@y.example", payload={"conversation": str(conversation.pk)})
    login, _is_new = User.objects.get_or_create(username="head")
    for row in (visitor, conversation):
        LogEntry.objects.create(
            user=login, content_type=ContentType.objects.get_for_model(type(row)), object_id=str(row.pk),
            object_repr=str(row), action_flag=2,
        )  # fmt: skip
    sync_redis().set(dialogue._key(tenant.schema_name, str(conversation.pk)), b"")
    take_now(tenant.schema_name, {f"messages:{visitor.pk}": 9, f"upload-bytes:{visitor.pk}": 9}, 60)
    sync_redis().lpush(QUEUE, message(tenant.schema_name, turn.pk))
    hold(f"tag-{turn.pk}", tenant.schema_name, turn.pk)


def clear(left: Left) -> None:
    """The test is over."""
    ids = [str(left.visitor.pk), *(str(one.pk) for one in left.conversations)]
    traces.drop_keys(key for key in traces.all_keys() if any(id in key for id in ids))
    traces.drop_tasks(task for task in traces.tasks() if str(left.turn.pk) in task.names)
    with inside(left.tenant), connection.cursor() as cursor:
        cursor.execute("DELETE FROM chat_effect WHERE payload::text ~ %s", ["|".join(ids)])
        LogEntry.objects.filter(object_id__in=ids).delete()
        for conversation in Conversation.objects.filter(visitor=left.visitor.pk):
            conversation.delete()
        Visitor.objects.filter(pk=left.visitor.pk).delete()
