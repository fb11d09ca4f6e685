"""What every verb of `chat.actions` is made of: the one way to write a message, to change who answers, and to tell the world.

The caller is inside the tenant's schema and holds the conversation's lock; everything is announced once it is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_lazy

from chat import mail, webhooks
from chat.delivery import announce, announce_in, conversation_topic, list_topics
from chat.events import inside_state_frame, message_frame, state_frame, stream_frame
from chat.models import Agent, Case, Conversation, Message, PendingTurn
from chat.queue import queue_position
from inference.dialogue import forget
from inference.opening import opening_text
from inference.turn import Answer
from knowledge.markdown import render
from tenants.hours import now_at
from tenants.tasks import post

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

logger = logging.getLogger(__name__)

State, Sender = Conversation.State, Message.Sender
PEOPLE = (Sender.VISITOR, Sender.AGENT)  # whose last words agents see in their lists


def append(
    conversation: Conversation,
    kind: Message.Sender,
    text: str,
    *,
    name: str = "",
    agent: Agent | None = None,
    client_id: str | None = None,
    **more: Any,
) -> Message:
    """Writes the conversation's next message. The caller holds the conversation's lock."""
    conversation.last_seq += 1
    conversation.save(update_fields=["last_seq", "updated_at"])
    message = Message.objects.create(
        conversation=conversation,
        seq=conversation.last_seq,
        client_id=client_id,
        sender_kind=kind,
        sender_name=name,
        agent=agent,
        text=text,
        html="" if kind == Sender.VISITOR else render(text),
        **more,
    )
    announce_in(conversation_topic, conversation.pk, message_frame(message))
    webhooks.message_created(message)
    return message


def record_answer(
    conversation: Conversation,
    answer: Answer,
    path: list[dict[str, Any]],
    *,
    stream: UUID | None = None,
    through: int | None = None,
) -> Message:
    """Writes what the bot answered, and takes the complaint that it answers. A person is called by `chat.assignment`.

    `through`: the last message it answers; what came after that one is still open.
    """
    text, through = answer.text, conversation.last_seq if through is None else through
    if answer.complaint:
        said = conversation.messages.filter(sender_kind=Sender.VISITOR).last()
        case = Case.objects.create(conversation=conversation, text=said.text if said else "")
        text = text.replace("{case_number}", case.number)
        webhooks.complaint_taken(case)
    message = append(
        conversation,
        Sender.BOT,
        text,
        name=connection.tenant.policy.bot_name,  # type: ignore[attr-defined]
        mode=answer.mode,
        sources=[source.as_dict() for source in answer.sources],
        path={"steps": path, "open": answer.open, "through": through},
        stream=stream,
    )
    return message


def open_turn(conversation: Conversation) -> PendingTurn:
    """Asks the workers for an answer. Recorded with the question, so that it outlives Redis; sent once committed."""
    turn = PendingTurn.objects.create(
        conversation=conversation,
        through_seq=conversation.last_seq,
        epoch=conversation.epoch,
        sent_at=timezone.now(),
    )
    transaction.on_commit(partial(send_turn, schema(), turn.pk))
    return turn


def send_turn(schema: str, turn_id: UUID) -> None:
    """Puts a recorded turn onto the workers' queue; the sweeper does it again for what Redis lost."""
    post("chat.tasks.answer_turn", schema, str(turn_id), queue="llm")


def bot_may_answer(conversation: Conversation) -> bool:
    """While it is in charge, and while somebody waits for people of whom nobody is there."""
    alone = conversation.state == State.WAITING and not Agent.objects.reachable().exists()
    return conversation.state == State.BOT or alone


def call_agent(conversation: Conversation, reason: str | StrPromise) -> None:
    """Puts the conversation into the queue; the reason is in the company's language, for its agents read it."""
    conversation.waiting_since = timezone.now()
    with translation.override(connection.tenant.locale):  # type: ignore[attr-defined]
        conversation.reason = str(reason)[:200]
    move(conversation, State.WAITING, None)
    if not Agent.objects.reachable().exists():
        mail.question_left(conversation)


def schema() -> str:
    name: str = connection.schema_name  # type: ignore[attr-defined]
    return name


def move(
    conversation: Conversation,
    state: Conversation.State,
    agent: Agent | None,
    *,
    ends_stream: str = "stopped",
) -> None:
    """The one place where ownership changes. The new epoch fences off whatever began under the old one."""
    end_turn(conversation, ends_stream)
    left = list_topics(schema(), conversation.state, conversation.agent_id)
    conversation.state, conversation.agent = state, agent
    conversation.agent_since = timezone.now() if state == State.AGENT else conversation.agent_since
    conversation.epoch += 1
    conversation.place, eta = queue_position(conversation)
    conversation.save()
    transaction.on_commit(partial(forget, schema(), str(conversation.pk)))
    announce_in(conversation_topic, conversation.pk, state_frame(conversation, conversation.place, eta))
    announce_inside(conversation, left)
    webhooks.conversation_moved(conversation)


def end_turn(conversation: Conversation, reason: str) -> None:
    for turn in PendingTurn.objects.filter(conversation=conversation):
        announce_in(
            conversation_topic, conversation.pk, stream_frame("end", conversation.pk, turn.pk, reason=reason)
        )
        turn.delete()


def say(conversation: Conversation, text: str | StrPromise, **names: str) -> None:
    """A line of the system's own, in the visitor's language. Filled in here, because `%` makes a lazy text choose its language."""
    with translation.override(conversation.visitor.locale):
        append(conversation, Sender.SYSTEM, str(text) % names if names else str(text))


def say_who(conversation: Conversation, agent: Agent) -> None:
    say(conversation, gettext_lazy("%(name)s is now talking with you."), name=agent.name)


def waiting_text(conversation: Conversation, language: str = "") -> str:
    """What a visitor is told who asked for a person: the company's own words, to who reads its language.

    `language`: in which they asked, if not by the widget's button.
    """
    there, language = Agent.objects.reachable(), language or conversation.visitor.locale
    with translation.override(language):
        if (there.filter(teams=conversation.team_id) if conversation.team_id else there).exists():
            return gettext("A person will be with you shortly. You can go on writing.")
        tenant = connection.tenant  # type: ignore[attr-defined]
        own: str = tenant.policy.words("offline_text", language)
        kept = gettext("Nobody is there right now. Your message is kept and will be answered.")
        return own or f"{kept} {opening_text(tenant.policy, now_at(tenant))}".rstrip()


def announce_inside(conversation: Conversation, left: Iterable[str] = ()) -> None:
    """Shows agents how the conversation stands now, in the lists where it is and in those that it has left."""
    last = conversation.messages.filter(sender_kind__in=PEOPLE).last()
    frame = inside_state_frame(conversation, last)
    for topic in sorted({*left, *list_topics(schema(), conversation.state, conversation.agent_id)}):
        announce(topic, frame)
