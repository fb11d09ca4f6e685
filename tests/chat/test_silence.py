"""`ago` is written into the rows: no test waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chat import actions, assignment, silence
from chat.models import Agent, Conversation, Message
from chat.record import append
from tenants.context import inside
from tenants.models import Policy, Tenant
from tests.chat.desk import agent, asks, holder, said
from tests.conftest import Chat, open_chat

State, Sender = Conversation.State, Message.Sender
GONE = timedelta(minutes=5)


@pytest.fixture
def strict(assigns: Tenant) -> Tenant:
    """Acme, where no visitor waits for an answer longer than two minutes."""
    assigns.policy.agent_silence = 120
    return assigns


def ago(chat: Chat, **minutes: int) -> None:
    """Moves the assignment, and all that was said before now, into the past."""
    past = timezone.now() - timedelta(**minutes)
    Conversation.objects.filter(pk=chat.conversation.pk).update(agent_since=past)
    chat.conversation.messages.update(created_at=past)


def says(chat: Chat, kind: Message.Sender, text: str = "…") -> None:
    now = chat.now()
    append(now, kind, text, agent=now.agent if kind == Sender.AGENT else None)


def leaves(name: str) -> None:
    Agent.objects.filter(name=name).update(seen_at=timezone.now() - GONE)


def test_it_gives_a_visitor_whom_nobody_answers_to_the_next_agent(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    ago(chat, minutes=3)
    assert silence.move_on_silent(strict) == 1
    assert holder(chat) == "Bob"
    assert said(chat)[-1] == "Ann is held up. Bob is now talking with you."


def test_it_leaves_a_visitor_with_an_agent_who_still_has_time(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    ago(chat, minutes=1)
    assert (silence.move_on_silent(strict), holder(chat)) == (0, "Ann")


def test_it_leaves_a_visitor_who_was_answered(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    says(chat, Sender.VISITOR)
    says(chat, Sender.AGENT)
    ago(chat, minutes=30)
    leaves("Ann")
    assert (silence.move_on_silent(strict), holder(chat)) == (0, "Ann")


def test_it_counts_from_the_first_word_that_was_not_answered(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    says(chat, Sender.AGENT)
    says(chat, Sender.VISITOR, "are you there?")
    ago(chat, minutes=3)
    says(chat, Sender.VISITOR, "hello?")
    assert (silence.move_on_silent(strict), holder(chat)) == (1, "Bob")


def test_it_does_not_wait_for_an_agent_who_is_gone(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    leaves("Ann")
    assert (silence.move_on_silent(strict), holder(chat)) == (1, "Bob")


def test_it_puts_a_visitor_back_into_the_queue_when_the_last_agent_is_gone(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    ago(chat, minutes=3)
    since = chat.now().agent_since
    leaves("Ann")
    assert silence.move_on_silent(strict) == 1
    now = chat.now()
    assert (now.state, now.agent, now.waiting_since) == (State.WAITING, None, since)
    assert "Ann" in now.reason
    assert said(chat)[-1].startswith("Nobody is there right now.")
    actions.set_presence(Agent.objects.get(name="Ann"), "online")
    assert (assignment.assign_waiting(strict), holder(chat)) == (1, "Ann")


def test_it_leaves_a_visitor_with_a_silent_agent_where_nobody_else_has_room(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob", limit=0)
    ago(chat, minutes=3)
    assert (silence.move_on_silent(strict), holder(chat)) == (0, "Ann")


def test_it_comes_to_each_silent_agent_once_until_somebody_answers(strict: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    had = []
    for _ in range(3):
        ago(chat, minutes=3)
        silence.move_on_silent(strict)
        had.append(holder(chat))
    assert had == ["Bob", "Bob", "Bob"]
    says(chat, Sender.AGENT)
    says(chat, Sender.VISITOR)
    Conversation.objects.filter(pk=chat.conversation.pk).update(agent_since=timezone.now() - GONE)
    chat.conversation.messages.update(created_at=timezone.now() - timedelta(minutes=3))
    assert (silence.move_on_silent(strict), holder(chat)) == (1, "Ann")


def test_it_moves_nobody_on_where_the_policy_says_never(assigns: Tenant) -> None:
    agent("Ann")
    chat = asks(assigns)
    agent("Bob")
    ago(chat, hours=5)
    leaves("Ann")
    assert (silence.move_on_silent(assigns), holder(chat)) == (0, "Ann")


def test_it_shows_a_visitor_to_all_again_where_agents_take_them_by_themselves(strict: Tenant) -> None:
    strict.policy.assignment = Policy.Assignment.OFF
    ann = agent("Ann")
    alone, chat = open_chat(strict), open_chat(strict)
    actions.take_over(ann, alone.conversation.pk)
    ago(alone, minutes=3)
    assert (silence.move_on_silent(strict), holder(alone)) == (0, "Ann")
    agent("Bob")
    actions.take_over(ann, chat.conversation.pk)
    assert silence.move_on_silent(strict) == 1
    assert (alone.now().state, holder(chat)) == (State.WAITING, "Ann")


def test_it_moves_nobody_of_another_tenant(strict: Tenant, globex: Tenant) -> None:
    agent("Ann")
    chat = asks(strict)
    agent("Bob")
    ago(chat, minutes=3)
    globex.policy.agent_silence, globex.policy.assignment = 120, Policy.Assignment.LEAST_BUSY
    with inside(globex):
        agent("Gus")
        assert silence.move_on_silent(globex) == 0
    assert holder(chat) == "Ann"
