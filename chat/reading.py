"""What sockets and HTTP show of conversations: rows in, frames out. Changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from chat import access
from chat.cursors import RESENT
from chat.events import (
    HEARTBEAT,
    PROTOCOL,
    Frame,
    agent_frame,
    inside_state_frame,
    message_frame,
    state_frame,
)
from chat.models import Agent, Case, Conversation, Message
from chat.queue import queue_position
from chat.record import PEOPLE

PAGE = 200  # messages in one answer of the history address
LISTED = 200  # conversations in an agent's list


def messages_after(conversation: UUID, after: int, limit: int = RESENT) -> tuple[list[Frame], bool]:
    """(frames in order, whether there are more)."""
    rows = list(Message.objects.filter(conversation=conversation, seq__gt=after).order_by("seq")[: limit + 1])
    return [message_frame(message) for message in rows[:limit]], len(rows) > limit


def sent(visitor_id: UUID, conversation_id: UUID, client_id: str) -> Message | None:
    """What a visitor sent under that id already, if anything."""
    return Message.objects.filter(
        conversation_id=conversation_id,
        conversation__visitor_id=visitor_id,
        sender_kind=Message.Sender.VISITOR,
        client_id=client_id,
    ).first()


def heads(conversations: set[UUID]) -> dict[UUID, int]:
    """The newest `seq` of each."""
    rows = Conversation.objects.filter(pk__in=conversations)
    return dict(rows.order_by().values_list("pk", "last_seq"))


def stands(conversation_id: UUID) -> Frame:
    """As its visitor may see it."""
    conversation = access.agents_conversation(conversation_id)
    return state_frame(conversation, *queue_position(conversation))


def watched(conversation_id: UUID, after: int | None) -> tuple[Frame, list[Frame], bool]:
    """(how it stands, what came since `after`, whether that is more than frames can hold: then there are none)."""
    conversation = access.agents_conversation(conversation_id)
    messages, more = ([], False) if after is None else messages_after(conversation_id, after)
    return state_frame(conversation), [] if more else messages, more


def agent_welcome(agent: Agent) -> Frame:
    rows = [*listed("mine", agent), *listed("waiting", agent)]
    return welcome(rows, agent=agent_frame(agent))


def welcome(conversations: list[Frame], **more: Any) -> Frame:
    return {
        "type": "welcome",
        "protocol": PROTOCOL,
        "server_time": timezone.now().isoformat(timespec="milliseconds"),
        "heartbeat": HEARTBEAT,
        "conversations": conversations,
        **more,
    }


def listed(name: str, agent: Agent) -> list[Frame]:
    """An agent's list: `mine`, `waiting` (longest first) or `all` that are open (newest first)."""
    open_ones = Conversation.objects.exclude(state=Conversation.State.CLOSED)
    which = {
        "mine": open_ones.filter(state=Conversation.State.AGENT, agent=agent).order_by("-updated_at"),
        "waiting": open_ones.filter(state=Conversation.State.WAITING).order_by("waiting_since"),
        "all": open_ones.filter(last_seq__gt=0).order_by("-updated_at"),
    }
    return inside_states(which[name][:LISTED])


def of_visitor(visitor_id: UUID) -> list[Frame]:
    return inside_states(Conversation.objects.filter(visitor=visitor_id).order_by("-created_at")[:LISTED])


def one(conversation_id: UUID) -> Frame:
    return inside_states(Conversation.objects.filter(pk=conversation_id))[0]


def inside_states(rows: QuerySet[Conversation]) -> list[Frame]:
    """A fixed number of queries, however many rows."""
    found = list(
        rows.select_related("agent", "visitor", "team").prefetch_related(
            Prefetch("cases", Case.objects.all())
        )
    )
    newest = (
        Message.objects.filter(conversation__in=found, sender_kind__in=PEOPLE)
        .order_by("conversation_id", "-seq")  # `conversation` would order by that model's own order
        .distinct("conversation_id")
    )
    last = {message.conversation_id: message for message in newest}
    return [inside_state_frame(row, last.get(row.pk)) for row in found]
