"""How far each socket has been told of each conversation: nothing twice, nothing out of order, and no hole that stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chat.events import Frame, message_frame, state_frame
from chat.models import Conversation, Message
from chat.queue import queue_position
from tenants.context import database_call
from tenants.gather import Gathered
from tenants.models import Tenant

RESENT = 200  # messages that travel as frames; whoever misses more fetches them from the history


@dataclass(slots=True)
class Cursor:
    seq: int = 0  # everything up to here was sent
    heard: int = 0  # the newest that a bell spoke of
    epoch: int = 0  # of the last state that was sent
    reading: bool = True  # the database is being read: bells wait for what it says

    def is_next(self, seq: int) -> bool:
        """Whether a message may be sent as it comes. False: it was sent before, or others are missing in front of it."""
        self.heard = max(self.heard, seq)
        if self.reading or seq != self.seq + 1:
            return False
        self.seq = seq
        return True

    @property
    def has_hole(self) -> bool:
        return self.heard > self.seq and not self.reading


@dataclass(slots=True)
class Missed:
    """What a socket has not seen of a conversation: its messages in order, or that there are too many; how it stands, if that changed."""

    messages: list[Frame] = field(default_factory=list)
    too_many: bool = False
    state: Frame | None = None
    seq: int = 0
    epoch: int = 0


Question = tuple[Tenant, UUID, int, int]  # conversation, the last seq and the last epoch that were sent


async def _read(questions: list[Question]) -> Sequence[Missed]:
    """Two queries for each tenant, however many sockets ask: after an outage of Redis all of them do."""
    by_tenant: dict[str, list[int]] = defaultdict(list)
    for n, (tenant, *_rest) in enumerate(questions):
        by_tenant[tenant.schema_name].append(n)
    found: dict[int, Missed] = {}
    for numbers in by_tenant.values():
        asked = [questions[n] for n in numbers]
        answers = await database_call(asked[0][0], _missed, [question[1:] for question in asked])
        found |= dict(zip(numbers, answers, strict=True))
    return [found[n] for n in range(len(questions))]


missed: Gathered[Question, Missed] = Gathered(_read, most=500)


def _missed(questions: list[tuple[UUID, int, int]]) -> list[Missed]:
    conversations = _conversations([conversation for conversation, _seq, _epoch in questions])
    behind = [
        (conversation, seq)
        for conversation, seq, _epoch in questions
        if conversation in conversations and conversations[conversation].last_seq > seq
    ]
    messages = _messages(behind) if behind else {}
    return [
        _one(conversations.get(conversation), messages.get((conversation, seq), []), seq, epoch)
        for conversation, seq, epoch in questions
    ]


def _one(conversation: Conversation | None, rows: list[Message], seq: int, epoch: int) -> Missed:
    if conversation is None:
        return Missed(seq=seq, epoch=epoch)
    too_many = len(rows) > RESENT
    changed = conversation.epoch != epoch
    return Missed(
        messages=[] if too_many else [message_frame(row) for row in rows],
        too_many=too_many,
        state=state_frame(conversation, *queue_position(conversation)) if changed else None,
        seq=max(seq, conversation.last_seq if too_many or not rows else rows[-1].seq),
        epoch=conversation.epoch,
    )


def _conversations(ids: list[UUID]) -> dict[UUID, Conversation]:
    return {row.pk: row for row in Conversation.objects.filter(pk__in=set(ids)).select_related("agent")}


def _messages(behind: list[tuple[UUID, int]]) -> dict[tuple[UUID, int], list[Message]]:
    """The messages after each (conversation, seq), one more than may be sent."""
    wanted = sorted(set(behind))
    rows = Message.objects.raw(
        f"""
        SELECT m.*, w.seq AS after FROM unnest(%s::uuid[], %s::int[]) AS w(conversation_id, seq)
        JOIN chat_message m ON m.conversation_id = w.conversation_id AND m.seq > w.seq AND m.seq <= w.seq + {RESENT + 1}
        ORDER BY m.conversation_id, m.seq
        """,
        [[conversation for conversation, _seq in wanted], [seq for _conversation, seq in wanted]],
    )
    found: dict[tuple[UUID, int], list[Message]] = defaultdict(list)
    for row in rows:
        found[row.conversation_id, row.after].append(row)  # type: ignore[attr-defined]
    return found
