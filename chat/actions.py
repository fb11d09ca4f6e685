"""Every change to a conversation. One verb each: check, write, tell the world once it is committed.

All verbs run inside the tenant's schema, lock the conversation's row first, and so happen one after the other; the row's `last_seq`
is counted in the same transaction, which makes `seq` gap-free and in commit order. Sockets and HTTP call these; nothing else writes.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat import access, assignment
from chat.delivery import agents_topic, announce, announce_in, inside_topic
from chat.events import agent_frame, note_frame
from chat.identity import Identity
from chat.models import Agent, Conversation, Feedback, Message, Note, PendingTurn, Team, Visitor
from chat.record import (
    announce_inside,
    bot_may_answer,
    end_turn,
    move,
    open_turn,
    say,
    say_who,
    schema,
)
from kefu.errors import AlreadyTaken, NotFound, WrongState

logger = logging.getLogger(__name__)

State, Sender = Conversation.State, Message.Sender


# --- Visitors ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def start_session(
    visitor: Visitor | None, locale: str, page: dict[str, str], who: Identity | None = None
) -> tuple[Visitor, Conversation]:
    """The visitor (a new one unless known) and their open conversation (a new one unless there is one)."""
    # Two tabs that start at once wait for each other here and get the same conversation; who was erased meanwhile is a new one.
    known = visitor and Visitor.objects.select_for_update().filter(pk=visitor.pk, erasing_since=None).first()
    visitor = known or Visitor()
    visitor.locale, visitor.page = locale, page or visitor.page
    if who and who.is_current:
        visitor.external_id, visitor.identified_until = who.account, who.until
        visitor.name = who.name or visitor.name
    visitor.name = visitor.name or _numbered(visitor)
    visitor.save()
    conversation = visitor.conversations.exclude(state=State.CLOSED).order_by("-created_at").first()
    return visitor, conversation or Conversation.objects.create(visitor=visitor)


def _numbered(visitor: Visitor) -> str:
    """A name for who gave none: in the company's language, for its agents read it."""
    with translation.override(connection.tenant.locale):  # type: ignore[attr-defined]
        return _("Visitor %(number)s") % {"number": visitor.pk.hex[:4].upper()}


def show_inside(conversation_id: UUID) -> None:
    """Shows agents a conversation that has just begun: who it is, and from which page."""
    announce_inside(access.agents_conversation(conversation_id))


@transaction.atomic
def request_agent(visitor_id: UUID, conversation_id: UUID, reason: str = "", epoch: int | None = None) -> int:
    conversation = access.visitors_conversation(visitor_id, conversation_id, lock=True)
    _must_be_open(conversation)
    if conversation.state == State.BOT:
        _must_be_in(epoch, conversation)
        assignment.call(conversation, reason or gettext_lazy("asked for a person"))
    return conversation.epoch


@transaction.atomic
def stop_answer(visitor_id: UUID, conversation_id: UUID) -> None:
    conversation = access.visitors_conversation(visitor_id, conversation_id, lock=True)
    end_turn(conversation, "stopped")


@transaction.atomic
def answer_again(visitor_id: UUID, conversation_id: UUID) -> None:
    """The bot answers the last question once more."""
    conversation = access.visitors_conversation(visitor_id, conversation_id, lock=True)
    if not bot_may_answer(conversation):
        raise WrongState(_("A person is answering now."))
    asked = conversation.messages.filter(sender_kind=Sender.VISITOR).exists()
    if asked and not PendingTurn.objects.filter(conversation=conversation).exists():
        open_turn(conversation)


@transaction.atomic
def give_feedback(visitor_id: UUID, conversation_id: UUID, seq: int, score: int, comment: str) -> None:
    conversation = access.visitors_conversation(visitor_id, conversation_id)
    message = conversation.messages.filter(seq=seq, sender_kind=Sender.BOT).first()
    if message is None:
        raise NotFound(_("There is no such answer."))
    Feedback.objects.update_or_create(message=message, defaults={"score": score, "comment": comment})


@transaction.atomic
def rate(visitor_id: UUID, conversation_id: UUID, score: int, comment: str) -> None:
    conversation = access.visitors_conversation(visitor_id, conversation_id, lock=True)
    conversation.rating, conversation.rating_comment = score, comment
    conversation.save(update_fields=["rating", "rating_comment"])


@transaction.atomic
def end_as_visitor(visitor_id: UUID, conversation_id: UUID, epoch: int | None = None) -> int:
    return _close(access.visitors_conversation(visitor_id, conversation_id, lock=True), epoch)


# --- Agents -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def take_over(agent: Agent, conversation_id: UUID, epoch: int | None = None) -> int:
    """The bot falls silent and `agent` answers. Of two agents exactly one wins; the other learns by whom."""
    conversation = access.agents_conversation(conversation_id, lock=True)
    _must_be_open(conversation)
    if conversation.state == State.AGENT and conversation.agent:
        if conversation.agent == agent:
            return conversation.epoch
        raise _taken_by(conversation.agent)
    if not _only_came_to_wait(epoch, conversation):
        _must_be_in(epoch, conversation)
    conversation.waiting_since = None
    move(conversation, State.AGENT, agent, ends_stream="taken_over")
    say_who(conversation, agent)
    return conversation.epoch


@transaction.atomic
def hand_back(agent: Agent, conversation_id: UUID, epoch: int | None = None) -> int:
    conversation = access.agents_conversation(conversation_id, lock=True)
    _must_own(agent, conversation)
    _must_be_in(epoch, conversation)
    conversation.reason, conversation.team = "", None
    move(conversation, State.BOT, None)
    assignment.assign_soon()
    say(
        conversation,
        gettext_lazy("%(name)s has handed the conversation back to the AI assistant."),
        name=agent.name,
    )
    return conversation.epoch


@transaction.atomic
def transfer(
    agent: Agent, conversation_id: UUID, to_agent_id: int, note: str, epoch: int | None = None
) -> int:
    conversation = access.agents_conversation(conversation_id, lock=True)
    _must_own(agent, conversation)
    _must_be_in(epoch, conversation)
    receiver = Agent.objects.filter(pk=to_agent_id, user__is_active=True).first()
    if receiver is None:
        raise NotFound(_("There is no such agent."))
    move(conversation, State.AGENT, receiver)
    say_who(conversation, receiver)
    _passed_on(agent, conversation, note)
    return conversation.epoch


@transaction.atomic
def transfer_to_team(
    agent: Agent, conversation_id: UUID, team_id: int, note: str, epoch: int | None = None
) -> int:
    conversation = access.agents_conversation(conversation_id, lock=True)
    _must_own(agent, conversation)
    _must_be_in(epoch, conversation)
    team = Team.objects.filter(pk=team_id).first()
    if team is None:
        raise NotFound(_("There is no such team."))
    assignment.pass_to_team(conversation, agent, team)
    _passed_on(agent, conversation, note)
    return conversation.epoch


def _passed_on(agent: Agent, conversation: Conversation, note: str) -> None:
    if note:
        write_note(agent, conversation.pk, note)
    assignment.assign_soon()


@transaction.atomic
def end_as_agent(agent: Agent, conversation_id: UUID, epoch: int | None = None) -> int:
    conversation = access.agents_conversation(conversation_id, lock=True)
    if conversation.agent_id and conversation.state != State.CLOSED:
        _must_own(agent, conversation)
    return _close(conversation, epoch)


@transaction.atomic
def write_note(agent: Agent, conversation_id: UUID, text: str) -> Note:
    conversation = access.agents_conversation(conversation_id, lock=True)
    last = conversation.notes.aggregate(last=Max("n"))["last"] or 0
    note = Note.objects.create(conversation=conversation, n=last + 1, agent=agent, text=text)
    announce_in(inside_topic, conversation.pk, note_frame(note))
    return note


@transaction.atomic
def set_presence(agent: Agent, presence: str) -> None:
    Agent.objects.filter(pk=agent.pk).update(presence=presence, seen_at=timezone.now())
    agent.presence = presence
    announce(agents_topic(schema()), {"type": "presence", "agent": agent_frame(agent)})
    assignment.assign_soon()


# --- Both sides -------------------------------------------------------------------------------------------------------


@transaction.atomic
def mark_read(conversation: Conversation, side: Message.Sender, seq: int) -> bool:
    """True when this moved the mark; marks never move back, nor past the last message."""
    mark = "visitor_read_seq" if side == Sender.VISITOR else "agent_read_seq"
    rows = Conversation.objects.filter(pk=conversation.pk, last_seq__gte=seq, **{f"{mark}__lt": seq})
    moved = bool(rows.update(**{mark: seq}))
    if moved and side == Sender.AGENT:
        left = conversation.messages.filter(sender_kind=Sender.VISITOR, seq__gt=seq).count()
        Conversation.objects.filter(pk=conversation.pk).update(unread=left)
    return moved


# --- What verbs ask first ------------------------------------------------------------------------------------------


def _must_be_open(conversation: Conversation) -> None:
    if conversation.state == State.CLOSED:
        raise WrongState(_("This conversation is closed."))


def _must_own(agent: Agent, conversation: Conversation) -> None:
    if conversation.state == State.AGENT and conversation.agent_id == agent.pk:
        return
    if conversation.agent:
        raise _taken_by(conversation.agent)
    raise WrongState(_("Take the conversation over first."))


def _must_be_in(epoch: int | None, conversation: Conversation) -> None:
    """None: whoever asks was never told how it stands."""
    if epoch is not None and epoch != conversation.epoch:
        raise WrongState(_("The conversation has moved on; this is not possible any more."))


def _only_came_to_wait(epoch: int | None, conversation: Conversation) -> bool:
    """Whether the one change since has put it into the queue: then nobody can have had it in between."""
    return conversation.state == State.WAITING and epoch == conversation.epoch - 1


def _taken_by(agent: Agent) -> AlreadyTaken:
    return AlreadyTaken(
        _("%(name)s has taken this conversation.") % {"name": agent.name}, agent=agent_frame(agent)
    )


def _close(conversation: Conversation, epoch: int | None) -> int:
    if conversation.state == State.CLOSED:
        return conversation.epoch
    _must_be_in(epoch, conversation)
    conversation.closed_at = timezone.now()
    conversation.waiting_since = None
    move(conversation, State.CLOSED, conversation.agent)
    say(conversation, gettext_lazy("The conversation has ended."))
    assignment.assign_soon()
    return conversation.epoch
