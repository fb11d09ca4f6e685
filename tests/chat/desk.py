"""Agents with what admins give them, visitors who ask for a person, and who has whom."""

from __future__ import annotations

from typing import Any

from chat import actions
from chat.models import Agent, Conversation, Team
from tenants.models import Tenant
from tests.conftest import Chat, make_agent, open_chat

State = Conversation.State


def make_quiet() -> None:
    """Nobody is there and nobody waits, whatever tests have left that commit. Inside a tenant's schema."""
    Agent.objects.update(presence=Agent.Presence.AWAY)
    Conversation.objects.filter(state=State.WAITING).update(state=State.CLOSED)


def agent(name: str, **fields: Any) -> Agent:
    made = make_agent(name)
    for field, value in fields.items():
        setattr(made, field, value)
    made.save()
    return made


def team(name: str, *members: Agent) -> Team:
    made = Team.objects.create(name=name)
    made.members.set(members)
    return made


def asks(tenant: Tenant, locale: str = "en") -> Chat:
    """Somebody new who asks for a person."""
    chat = open_chat(tenant)
    chat.visitor.locale = locale
    chat.visitor.save()
    actions.request_agent(chat.visitor.pk, chat.conversation.pk)
    return chat


def holder(chat: Chat) -> str:
    """The agent's name; empty for nobody."""
    now = chat.now()
    assert (now.agent is not None) == (now.state == State.AGENT)
    return now.agent.name if now.agent else ""


def said(chat: Chat) -> list[str]:
    return list(chat.conversation.messages.values_list("text", flat=True))
