"""The life of a turn in the worker lane: claimed by one task, renewed while it runs, finished in the transaction that writes its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.utils import timezone
from pydantic_core import to_json

from chat import assignment, turn_statements, webhooks
from chat.delivery import announce, announce_in, conversation_topic, list_topics
from chat.drafts import Sent
from chat.events import listed_frame, message_frame, stream_frame
from chat.models import SILENCE, Conversation, Message, PendingTurn
from chat.record import announce_inside, bot_may_answer, open_turn, record_answer, schema, send_turn
from inference.dialogue import FILES_ALONE, Dialogue, after, continued
from inference.turn import Answer
from knowledge.markdown import render
from tenants.models import Tenant

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
    is_first: bool = False  # nobody has answered in this conversation yet


def claim(turn_id: UUID) -> Work | None:
    """The turn's work, for this caller alone until its lease ends. None: somebody has it, or nobody needs it any more."""
    now = timezone.now()
    row = turn_statements.claim(turn=turn_id, now=now, until=now + LEASE)
    if row is None:
        return None
    conversation, visitor, locale, question, through, account, has_files, attempts, sent_at, is_first = row
    return Work(
        turn_id,
        conversation,
        visitor,
        locale,
        question,
        through,
        account,
        has_files,
        attempts > ATTEMPTS,
        max(0.0, (now - sent_at).total_seconds()),
        is_first,
    )


def renew(turn_id: UUID) -> bool:
    """Keeps the claim. False: the turn was ended from outside and its task should stop."""
    return bool(PendingTurn.objects.filter(pk=turn_id).update(lease_until=timezone.now() + LEASE))


@transaction.atomic
def finish(work: Work, answer: Answer, path: list[dict[str, Any]]) -> Message | Sent | None:
    """Writes the answer, if the bot is still in charge and the turn still this one; what came meanwhile gets one more turn."""
    if answer.complaint or answer.hand_over or webhooks.subscribers(_tenant(), webhooks.MESSAGE):
        return _finish_with_more(work, answer, path)
    message, now = _answer_of(work, answer), timezone.now()
    row = turn_statements.finish(
        {
            "conversation": work.conversation,
            "turn": work.turn,
            "through": work.through_seq,
            "name": message.sender_name,
            "text": message.text,
            "html": message.html,
            "mode": message.mode,
            "sources": to_json(message.sources).decode(),
            "path": to_json({"steps": path, "open": answer.open, "through": work.through_seq}).decode(),
            "heard": now - SILENCE,
            "now": now,
        }
    )
    if row is None:
        return None
    message.pk, message.seq, state, epoch, unread, newer, *of_last = row
    message.created_at = now
    _end_stream(work)
    announce_in(conversation_topic, work.conversation, message_frame(message))
    pk, seq, kind, name, agent, text, attachments, at = of_last
    last = Sent(work.conversation, seq, pk, None, kind, name, agent, text, "", at, attachments=attachments)
    listed = listed_frame(last, state=state, epoch=epoch, agent=None, seq=message.seq, unread=unread)
    for topic in sorted(list_topics(schema(), state, None)):
        announce(topic, listed)
    if newer:
        transaction.on_commit(partial(send_turn, schema(), newer))
    return message


def _answer_of(work: Work, answer: Answer) -> Sent:
    """Its number and time are the database's to give."""
    return Sent(
        work.conversation,
        0,
        0,
        None,
        Sender.BOT,
        _tenant().policy.bot_name,
        None,
        answer.text,
        render(answer.text),
        timezone.now(),
        answer.mode,
        [source.as_dict() for source in answer.sources],
        work.turn,
    )


def _finish_with_more(work: Work, answer: Answer, path: list[dict[str, Any]]) -> Message | None:
    """The same for an answer that opens a case or calls a person, or that a webhook wants to hear of."""
    conversation = _locked(pk=work.conversation)
    if conversation is None or conversation.state not in BOT_SPEAKS:
        return None
    turn = PendingTurn.objects.filter(pk=work.turn, epoch=conversation.epoch).first()
    if turn is None:
        return None
    turn.delete()
    _end_stream(work)
    return _answer(conversation, answer, path, work.through_seq, work.turn)


def _tenant() -> Tenant:
    tenant: Tenant = connection.tenant  # type: ignore[attr-defined]
    return tenant


def _end_stream(work: Work) -> None:
    end = stream_frame("end", work.conversation, work.turn, reason="done")
    announce_in(conversation_topic, work.conversation, end)


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
        assignment.call(conversation, answer.hand_over, answer.language)
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
