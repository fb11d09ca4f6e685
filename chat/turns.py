"""The life of a turn in the worker lane: claimed by one task, renewed while it runs, finished in the transaction that writes its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from chat import assignment
from chat.delivery import announce_in, conversation_topic
from chat.events import stream_frame
from chat.models import Conversation, Message, PendingTurn
from chat.record import announce_inside, bot_may_answer, open_turn, record_answer, schema, send_turn
from inference.dialogue import FILES_ALONE, Dialogue, after, continued
from inference.turn import Answer

Sender = Message.Sender

LEASE = timedelta(seconds=15)  # renewed every five while the task lives
RESEND = timedelta(
    seconds=20
)  # how long a turn may lie on the queue, or without a claim, before it is taken for lost
ATTEMPTS = 3
READ = 500  # messages from which a dialogue is rebuilt: it holds what was named in all of them
BOT_SPEAKS = (Conversation.State.BOT, Conversation.State.WAITING)


@dataclass(frozen=True)
class Work:
    """What a worker needs to answer, read in one go."""

    turn: UUID
    conversation: UUID
    visitor: UUID
    locale: str
    question: str
    through_seq: int
    account: str  # the site's own id of the visitor, where it vouches for it at this moment
    has_files: bool
    gives_up: bool  # tried often enough: a person is offered instead
    waited: float = 0.0  # seconds on the queue


@transaction.atomic
def claim(turn_id: UUID) -> Work | None:
    """The turn's work, for this caller alone until its lease ends. None: somebody has it, or nobody needs it any more."""
    # The conversation first, as every verb does it: two locks taken in different orders end in a deadlock.
    conversation = _locked(pending_turn=turn_id)
    turn = PendingTurn.objects.filter(pk=turn_id).first()
    now = timezone.now()
    if conversation is None or turn is None or (turn.lease_until and turn.lease_until > now):
        return None
    turn.lease_until, turn.attempts, turn.through_seq = now + LEASE, turn.attempts + 1, conversation.last_seq
    turn.save()
    asked = _unanswered(conversation)
    return Work(
        turn.pk,
        conversation.pk,
        conversation.visitor_id,
        conversation.visitor.locale,
        _question(asked),
        turn.through_seq,
        conversation.visitor.account,
        any(message.attachments for message in asked),
        turn.attempts > ATTEMPTS,
        max(0.0, (now - turn.sent_at).total_seconds()),
    )


def renew(turn_id: UUID) -> bool:
    """Keeps the claim. False: the turn was ended from outside and its task should stop."""
    return bool(PendingTurn.objects.filter(pk=turn_id).update(lease_until=timezone.now() + LEASE))


@transaction.atomic
def finish(work: Work, answer: Answer, path: list[dict[str, Any]]) -> Message | None:
    """Writes the answer, if the bot is still in charge and the turn still this one; what came meanwhile gets one more turn."""
    conversation = _locked(pk=work.conversation)
    if conversation is None or conversation.state not in BOT_SPEAKS:
        return None
    turn = PendingTurn.objects.filter(pk=work.turn, epoch=conversation.epoch).first()
    if turn is None:
        return None
    turn.delete()
    end = stream_frame("end", conversation.pk, work.turn, reason="done")
    announce_in(conversation_topic, conversation.pk, end)
    return _answer(conversation, answer, path, work.through_seq, work.turn)


@transaction.atomic
def answer_at_once(
    conversation_id: UUID, turn_id: UUID | None, through: int, answer: Answer, path: list[dict[str, Any]]
) -> Message | None:
    """A quick answer that does more than speak: it opens a case, or calls a person.

    `turn_id` is the turn that was opened and claimed for it with the question; None where another one was in flight, which only a
    person who is called may cut short.
    """
    conversation = _locked(pk=conversation_id)
    if conversation is None or not bot_may_answer(conversation):
        return None
    own = turn_id and PendingTurn.objects.filter(pk=turn_id, epoch=conversation.epoch).delete()[0]
    if not own and (turn_id or not answer.hand_over):
        return None
    return _answer(conversation, answer, path, through)


def _answer(
    conversation: Conversation,
    answer: Answer,
    path: list[dict[str, Any]],
    through: int,
    stream: UUID | None = None,
) -> Message:
    newer = conversation.messages.filter(sender_kind=Sender.VISITOR, seq__gt=through).exists()
    message = record_answer(conversation, answer, path, stream=stream, through=through)
    if answer.hand_over:
        assignment.call(conversation, answer.hand_over)
    announce_inside(conversation)
    if newer and bot_may_answer(conversation):
        open_turn(conversation)
    return message


@transaction.atomic
def give_back(conversation_id: UUID, turn_id: UUID) -> None:
    """Leaves a turn that was claimed and not finished to another worker, at once: this one ends. It does not count as a try."""
    _locked(pk=conversation_id)
    turn = PendingTurn.objects.filter(pk=turn_id).first()
    if turn is None:
        return
    turn.lease_until, turn.attempts, turn.sent_at = None, turn.attempts - 1, timezone.now()
    turn.save()
    transaction.on_commit(partial(send_turn, schema(), turn.pk))


def resend_lost() -> int:
    """Puts turns back onto the queue whose task was lost with Redis or with a worker. How many."""
    now = timezone.now()
    idle = models.Q(lease_until=None) | models.Q(lease_until__lt=now)
    lost = list(PendingTurn.objects.filter(idle, sent_at__lt=now - RESEND).values_list("pk", flat=True))
    schema: str = transaction.get_connection().schema_name
    for turn_id in lost:
        PendingTurn.objects.filter(pk=turn_id).update(sent_at=now)
        send_turn(schema, turn_id)
    return len(lost)


def rebuild_dialogue(conversation_id: UUID) -> Dialogue:
    """The dialogue as the database has it, the same that was in Redis: refused questions and their refusals left out, a burst of messages
    as one question; what an agent goes on saying belongs to one answer."""
    dialogue = Dialogue()
    asked: list[Message] = []
    for message in _recent(conversation_id):
        if message.sender_kind == Sender.VISITOR:
            asked.append(message)
            continue
        answered = [one for one in asked if one.seq <= _through(message)]
        asked = [one for one in asked if one.seq > _through(message)]
        question = _question(answered) or (FILES_ALONE if answered else "")
        if question and not _is_refusal(message):
            dialogue = after(dialogue, question, message.text, message.path.get("open", {}))
        elif message.sender_kind == Sender.AGENT:
            dialogue = continued(dialogue, message.text)
    return dialogue


def _question(asked: list[Message]) -> str:
    """Empty where only files came."""
    return "\n".join(message.text for message in asked if message.text)


def _is_refusal(message: Message) -> bool:
    """Of the question; what the bot would rather not say itself comes with an offer, and stays."""
    return message.mode == "refusal" and not message.path.get("open")


def _through(answer: Message | None) -> int:
    """The last message that `answer` answers."""
    return int(answer.path.get("through", answer.seq)) if answer else 0


def _locked(**which: Any) -> Conversation | None:
    rows = Conversation.objects.select_for_update(of=("self",)).select_related("visitor")
    return rows.filter(**which).first()


def _recent(conversation_id: UUID) -> list[Message]:
    rows = (
        Message.objects.filter(conversation=conversation_id)
        .exclude(sender_kind=Sender.SYSTEM)
        .only("seq", "sender_kind", "text", "mode", "path")
        .order_by("-seq")
    )
    return list(rows[:READ])[::-1]


def _unanswered(conversation: Conversation) -> list[Message]:
    """What the visitor wrote since anybody last answered; the last question where all is answered (`answer.again`)."""
    visitors = conversation.messages.filter(sender_kind=Sender.VISITOR)
    answered = conversation.messages.filter(sender_kind__in=(Sender.BOT, Sender.AGENT)).last()
    newer = list(visitors.filter(seq__gt=_through(answered)))
    return newer or list(visitors.order_by("-seq")[:1])
