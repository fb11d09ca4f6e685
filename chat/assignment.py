"""Who gets a visitor that waits for a person: start reading at `pick`.

An agent is given as many as they have room for, while they are online and their console is there. A visitor goes to who had them
last, or else by the tenant's policy: in their language, if somebody there speaks it; within the conversation's team, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from chat.models import Agent, Conversation, Message, Team
from chat.record import call_agent, move, say, say_who, schema, waiting_text
from tenants.models import Policy, Tenant

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

State, Sender, Assignment = Conversation.State, Message.Sender, Policy.Assignment
LOCK = 0x6B656675  # of assigning: the first half of the key; the second is the schema
LOOKED_AT = 1000  # of those who wait, in one go
TOLD = 5  # the bot's last answers that tell what a visitor came for
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Candidate:
    agent: Agent
    load: int  # conversations they have
    teams: frozenset[int]

    @property
    def has_room(self) -> bool:
        return self.load < self.agent.limit

    def speaks(self, locale: str) -> bool:
        return not self.agent.languages or locale in self.agent.languages


# What comes first among agents who may all get the visitor; who has not been given any for the longest time decides the rest.
ORDER: dict[str, Callable[[Candidate], float]] = {
    Assignment.LEAST_BUSY: lambda one: one.load / one.agent.limit,
    Assignment.ROUND_ROBIN: lambda one: 0,
}


def pick(conversation: Conversation, *, never: Collection[int] = ()) -> Agent | None:
    """The agent who gets this conversation now; None where nobody has room, and where agents take visitors by themselves.

    `never`: agents who do not get it. Holds the tenant's assignments up until the transaction ends: two at once would both take an
    agent's last free place.
    """
    policy = _policy()
    if policy.assignment == Assignment.OFF:
        return None
    _one_at_a_time()
    there = [one for one in _there() if one.agent.pk not in never]
    avoided, locale = conversation.let_go_by or (), conversation.visitor.locale
    free = [one for one in suitable(there, conversation.team_id, locale, avoided) if one.has_room]
    last = _last_agent(conversation) if len(free) > 1 else None
    best = min(free, key=lambda one: _rank(one, last, policy.assignment), default=None)
    return best.agent if best else None


def suitable(
    there: Collection[Candidate], team: int | None, locale: str, avoided: Collection[int]
) -> list[Candidate]:
    """Of the team; not those who let it go, as long as there are others; who speaks the language, if anybody does."""
    theirs = [one for one in there if team is None or team in one.teams]
    others = [one for one in theirs if one.agent.pk not in avoided] or theirs
    return [one for one in others if one.speaks(locale)] or others


def _rank(one: Candidate, last: int | None, assignment: str) -> tuple[Any, ...]:
    agent = one.agent
    return agent.pk != last, ORDER[assignment](one), agent.assigned_at or NEVER, agent.pk


def _there() -> list[Candidate]:
    agents: Iterable[Any] = Agent.objects.reachable().with_load().prefetch_related("teams")
    return [Candidate(one, one.load, frozenset(team.pk for team in one.teams.all())) for one in agents]


def _last_agent(conversation: Conversation) -> int | None:
    """Who wrote last in this conversation, or had the visitor's last one before it."""
    said = conversation.messages.filter(agent__isnull=False).order_by("-seq")
    had = Conversation.objects.filter(visitor=conversation.visitor_id, agent__isnull=False)
    return (
        said.values_list("agent", flat=True).first()
        or had.order_by("-created_at").values_list("agent", flat=True).first()
    )


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, schema()])


def _policy() -> Policy:
    policy: Policy = connection.tenant.policy  # type: ignore[attr-defined]
    return policy


# --- Called by verbs, which hold the conversation's lock --------------------------------------------------------------


def call(conversation: Conversation, reason: str | StrPromise, language: str = "") -> None:
    """A person is asked for, in `language`: who is free gets the conversation, else it waits. The visitor is told."""
    if conversation.state == State.BOT:
        because(conversation, reason)
        conversation.team_id, conversation.let_go_by = _team(conversation), None
        if not _somebody_waits(conversation.team_id) and assign(conversation):
            return
        call_agent(conversation, reason)
    say(conversation, waiting_text(conversation, language))


def assign(conversation: Conversation) -> Agent | None:
    """Gives the conversation to whom `pick` names, if anybody."""
    agent = pick(conversation)
    if agent:
        give(conversation, agent)
        say_who(conversation, agent)
    return agent


def pass_to_team(conversation: Conversation, sender: Agent, team: Team) -> None:
    """To somebody else of the team, or into its queue."""
    conversation.team, conversation.let_go_by = team, [sender.pk]
    agent = pick(conversation, never={sender.pk})
    if agent:
        give(conversation, agent)
        say_who(conversation, agent)
        return
    because(
        conversation,
        format_lazy(gettext_lazy("passed on to {team} by {name}"), team=team.name, name=sender.name),
    )
    wait(conversation, timezone.now())
    say(conversation, gettext_lazy("You are passed on to %(team)s."), team=team.name)
    say(conversation, waiting_text(conversation))


def give(conversation: Conversation, agent: Agent) -> None:
    Agent.objects.filter(pk=agent.pk).update(assigned_at=timezone.now())
    conversation.waiting_since = None
    move(conversation, State.AGENT, agent, ends_stream="taken_over")


def wait(conversation: Conversation, since: datetime) -> None:
    conversation.waiting_since = since
    move(conversation, State.WAITING, None)


def because(conversation: Conversation, reason: str | StrPromise) -> None:
    """In the company's language, for its agents read it."""
    with translation.override(connection.tenant.locale):  # type: ignore[attr-defined]
        conversation.reason = str(reason)[:200]


def _team(conversation: Conversation) -> int | None:
    """The team for what the visitor came for: the last matter that the bot understood and a team answers for."""
    teams = dict(Team.objects.exclude(intents=None).values_list("intents__name", "pk"))
    if not teams:
        return None
    answers = conversation.messages.filter(sender_kind=Sender.BOT).order_by("-seq")
    steps = [
        step for path in answers.values_list("path", flat=True)[:TOLD] for step in path.get("steps") or ()
    ]
    return next((teams[name] for step in steps if (name := step.get("intent")) in teams), None)


def _somebody_waits(team: int | None) -> bool:
    return Conversation.objects.filter(state=State.WAITING, team=team).exists()


# --- By themselves: when an agent has room again, and by the sweeper --------------------------------------------------


def assign_soon() -> None:
    """Once the transaction has committed. For verbs after which an agent may have room: in the tenant's schema."""
    transaction.on_commit(partial(assign_waiting, connection.tenant), robust=True)  # type: ignore[attr-defined]


def assign_waiting(tenant: Tenant) -> int:
    """Gives those who wait, longest first, to agents who have room: one transaction each. How many."""
    if tenant.policy.assignment == Assignment.OFF:
        return 0
    rows = Conversation.objects.filter(state=State.WAITING).order_by("waiting_since", "pk")
    waiting = list(rows.values_list("pk", "team", "visitor__locale", "let_go_by")[:LOOKED_AT])
    there = {one.agent.pk: one for one in _there()} if waiting else {}
    given = 0
    for conversation, team, locale, let_go_by in waiting:
        if not any(one.has_room for one in there.values()):
            break
        who = suitable(there.values(), team, locale, let_go_by or ())
        agent = _assign_one(conversation) if any(one.has_room for one in who) else None
        if agent and agent.pk in there:
            there[agent.pk].load += 1
        given += agent is not None
    return given


@transaction.atomic
def _assign_one(conversation_id: UUID) -> Agent | None:
    rows = Conversation.objects.filter(pk=conversation_id, state=State.WAITING)
    conversation = locked(rows)
    return assign(conversation) if conversation else None


def locked(rows: QuerySet[Conversation]) -> Conversation | None:
    """Whom somebody else holds is looked at the next time."""
    held = rows.select_for_update(of=("self",), skip_locked=True, no_key=True)
    return held.select_related("visitor").first()
