from __future__ import annotations

from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tests.bench.plain.models import Conversation, Message

Frame = dict[str, Any]


class Talk(AsyncJsonWebsocketConsumer):
    """What both sides share. Those who take part in a conversation are a group of the channel layer."""

    sender = ""

    async def receive_json(self, frame: Frame, **kwargs: Any) -> None:
        verbs = {
            "hello": self.hello,
            "message.send": self.send_message,
            "subscribe": self.subscribe,
            "ping": self.ping,
        }
        verb = verbs.get(frame.get("type", ""))
        if verb:
            await verb(frame)

    async def hello(self, frame: Frame) -> None:
        raise NotImplementedError

    async def subscribe(self, frame: Frame) -> None:
        await self.refuse(frame, "unknown_type")

    async def ping(self, frame: Frame) -> None:
        await self.send_json({"type": "pong"})

    async def join(self, conversation: str) -> None:
        group = f"conversation.{conversation}"
        self.groups.append(group)  # which Channels leaves for us in the end
        await self.channel_layer.group_add(group, self.channel_name)

    async def send_message(self, frame: Frame) -> None:
        if f"conversation.{frame['conversation']}" not in self.groups:
            await self.refuse(frame, "not_found")
            return
        message, is_new = await save(frame["conversation"], self.sender, frame["id"], frame["text"])
        await self.send_json(
            {
                "type": "ack",
                "id": message.client_id,
                "conversation": str(message.conversation_id),
                "seq": message.seq,
                "message": str(message.pk),
                "at": message.created_at.isoformat(),
            }
        )
        if is_new:
            await self.channel_layer.group_send(
                f"conversation.{frame['conversation']}",
                {"type": "chat.message", "frame": message_frame(message)},
            )

    async def chat_message(self, event: Frame) -> None:
        await self.send_json(event["frame"])

    async def refuse(self, frame: Frame, code: str) -> None:
        await self.send_json({"type": "error", "id": frame.get("id"), "code": code, "temporary": False})


class VisitorTalk(Talk):
    sender = "visitor"

    async def hello(self, frame: Frame) -> None:
        conversation = await conversation_of(frame.get("token", ""))
        if conversation is None:
            await self.close(4001)
            return
        await self.join(str(conversation.pk))
        messages = await history(conversation, frame.get("after", {}).get(str(conversation.pk), 0))
        state = {"conversation": str(conversation.pk), "seq": conversation.last_seq}
        await self.send_json({"type": "welcome", "conversations": [state], "messages": messages})


class AgentTalk(Talk):
    sender = "agent"

    async def hello(self, frame: Frame) -> None:
        if not self.scope["user"].is_authenticated:
            await self.close(4001)
            return
        await self.send_json({"type": "welcome", "conversations": []})
        for conversation, seq in frame.get("after", {}).items():
            await self.join(conversation)
            for message in await history(conversation, seq):
                await self.send_json(message)

    async def subscribe(self, frame: Frame) -> None:
        await self.join(frame["conversation"])
        await self.send_json({"type": "ack", "id": frame["id"]})


@database_sync_to_async
def conversation_of(token: str) -> Conversation | None:
    try:
        return Conversation.objects.filter(token=token).first()
    except ValidationError:
        return None


@database_sync_to_async
def history(conversation: Conversation | UUID | str, after: int) -> list[Frame]:
    rows = Message.objects.select_related("conversation").filter(conversation=conversation, seq__gt=after)
    return [message_frame(message) for message in rows]


@database_sync_to_async
def save(conversation_id: str, sender: str, client_id: str, text: str) -> tuple[Message, bool]:
    """The message, and whether it is new: the client may send one twice."""
    try:
        with transaction.atomic():
            conversation = Conversation.objects.select_for_update().get(pk=conversation_id)
            conversation.last_seq += 1
            conversation.save(update_fields=["last_seq", "updated_at"])
            message = Message.objects.create(
                conversation=conversation,
                seq=conversation.last_seq,
                client_id=client_id,
                sender=sender,
                text=text,
            )
    except IntegrityError:
        rows = Message.objects.select_related("conversation")
        return rows.get(conversation=conversation_id, sender=sender, client_id=client_id), False
    return message, True


def message_frame(message: Message) -> Frame:
    visitor = message.sender == "visitor"
    return {
        "type": "message",
        "conversation": str(message.conversation_id),
        "seq": message.seq,
        "message": str(message.pk),
        "client_id": message.client_id,
        "sender": {"kind": message.sender, "name": message.conversation.visitor_name if visitor else "Agent"},
        "text": message.text,
        "at": message.created_at.isoformat(),
    }
