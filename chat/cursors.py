"""How far each socket has been told of each conversation: nothing twice, nothing out of order, and no hole that stays."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from chat.events import Frame, message_frame, state_frame
from chat.models import Conversation, Message
from chat.queue import queue_position
from tenants.gather import of_tenants

RESENT = 200  # messages that travel as frames; whoever misses more fetches them from the history
GREETED_WITH = 30  # messages for who has none yet


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


# A conversation, and the last seq and the last epoch that were sent: to whom nothing was, None and 0
Question = tuple[UUID, int | None, int]


def _missed(questions: list[Question]) -> list[Missed]:
    """Two queries, however many sockets ask: after a restart, and after an outage of Redis, all of them do."""
    rows = _conversations({conversation for conversation, *_sent in questions})
    asked = [
        (rows.get(conversation), _since(rows.get(conversation), seq), epoch)
        for conversation, seq, epoch in questions
    ]
    behind = {(row.pk, seq) for row, seq, _epoch in asked if row and row.last_seq > seq}
    messages = _messages(sorted(behind)) if behind else {}
    return [
        _one(row, messages.get((row.pk, seq), []), seq, epoch) if row else Missed(seq=seq, epoch=epoch)
        for row, seq, epoch in asked
    ]


missed = of_tenants(_missed, most=100)


def _since(conversation: Conversation | None, seq: int | None) -> int:
    if seq is None:
        return max(0, conversation.last_seq - GREETED_WITH) if conversation else 0
    return seq


def _one(conversation: Conversation, rows: list[Message], seq: int, epoch: int) -> Missed:
    too_many = len(rows) > RESENT
    changed = conversation.epoch != epoch
    return Missed(
        messages=[] if too_many else [message_frame(row) for row in rows],
        too_many=too_many,
        state=state_frame(conversation, *queue_position(conversation)) if changed else None,
        seq=max(seq, conversation.last_seq if too_many or not rows else rows[-1].seq),
        epoch=conversation.epoch,
    )


def _conversations(ids: set[UUID]) -> dict[UUID, Conversation]:
    return {row.pk: row for row in Conversation.objects.filter(pk__in=ids).select_related("agent")}


def _messages(behind: list[tuple[UUID, int]]) -> dict[tuple[UUID, int], list[Message]]:
    """The messages after each (conversation, seq), one more than may be sent."""
    rows = Message.objects.raw(
        f"""
        SELECT m.*, w.seq AS after FROM unnest(%s::uuid[], %s::int[]) AS w(conversation_id, seq)
        JOIN chat_message m ON m.conversation_id = w.conversation_id AND m.seq > w.seq AND m.seq <= w.seq + {RESENT + 1}
        ORDER BY m.conversation_id, m.seq
        """,
        [[conversation for conversation, _seq in behind], [seq for _conversation, seq in behind]],
    )
    found: dict[tuple[UUID, int], list[Message]] = defaultdict(list)
    for row in rows:
        found[row.conversation_id, row.after].append(row)  # type: ignore[attr-defined]
    return found
