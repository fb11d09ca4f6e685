"""Visitors whose agent does not answer: after a time they go to somebody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from chat.assignment import because, give, locked, pick, wait
from chat.models import SILENCE, Agent, Conversation, Message
from chat.record import say, say_who, waiting_text
from tenants.models import Policy, Tenant

State, Sender = Conversation.State, Message.Sender


def move_on_silent(tenant: Tenant) -> int:
    """Takes visitors away from agents who let them wait for longer than the policy allows, or who are gone. How many."""
    seconds = tenant.policy.agent_silence
    if not seconds:
        return 0
    late = [*_left_waiting(seconds).values_list("pk", flat=True)]
    return sum(_move_on(conversation, seconds) for conversation in late)


@transaction.atomic
def _move_on(conversation_id: UUID, seconds: int) -> bool:
    conversation = locked(Conversation.objects.filter(pk=conversation_id))
    late = _left_waiting(seconds).filter(pk=conversation_id).values("since", "spoke", "is_gone").first()
    if conversation is None or late is None:
        return False
    before = conversation.agent
    if before and not late["is_gone"]:
        known = () if late["spoke"] else conversation.let_go_by or ()
        conversation.let_go_by = sorted({*known, before.pk})
    agent = pick(conversation, never=conversation.let_go_by or ())
    if agent:
        give(conversation, agent)
        _say_who_instead(conversation, agent, before)
    elif late["is_gone"] or _others_may_take(before):
        because(conversation, format_lazy(gettext_lazy("{name} did not answer"), name=before or ""))
        wait(conversation, late["since"])
        say(conversation, waiting_text(conversation))
    else:
        return False
    return True


def _say_who_instead(conversation: Conversation, agent: Agent, before: Agent | None) -> None:
    if before:
        text = gettext_lazy("%(before)s is held up. %(name)s is now talking with you.")
        say(conversation, text, before=before.name, name=agent.name)
    else:
        say_who(conversation, agent)


def _others_may_take(before: Agent | None) -> bool:
    """Where agents take visitors by themselves, who waits is shown to all of them."""
    policy: Policy = connection.tenant.policy  # type: ignore[attr-defined]
    is_off = policy.assignment == Policy.Assignment.OFF
    return is_off and Agent.objects.reachable().exclude(pk=before.pk if before else 0).exists()


def _left_waiting(seconds: int) -> QuerySet[Any]:
    """Conversations whose agent owes an answer for longer than `seconds`, or owes one and `is_gone`.

    `since` when: an agent who has not `spoke` since they got it owes the first word, then the answer to what came after the last.
    """
    now = timezone.now()
    said = Message.objects.filter(conversation=OuterRef("pk"))
    by_agents = said.filter(sender_kind=Sender.AGENT)
    answered = Coalesce(Subquery(by_agents.order_by("-seq").values("seq")[:1]), 0)
    asked = said.filter(sender_kind=Sender.VISITOR, seq__gt=OuterRef("answered")).order_by("seq")
    owed = Case(When(spoke=False, then=F("agent_since")), default=Subquery(asked.values("created_at")[:1]))
    is_there = Q(agent__seen_at__gt=now - SILENCE, agent__user__is_active=True)
    rows = Conversation.objects.filter(state=State.AGENT).annotate(
        answered=answered,
        spoke=Exists(by_agents.filter(created_at__gte=OuterRef("agent_since"))),
        since=owed,
        is_gone=Case(When(is_there, then=False), default=True),
    )
    return rows.filter(Q(since__lt=now - timedelta(seconds=seconds)) | Q(since__isnull=False, is_gone=True))
