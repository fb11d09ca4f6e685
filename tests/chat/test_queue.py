from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat import queue
from chat.models import Agent, Conversation
from chat.queue import queue_position, tell_places
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.desk import agent, asks, make_quiet, team
from tests.conftest import Chat, open_chat

State = Conversation.State


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What visitors are told of their place."""
    frames: list[dict[str, Any]] = []
    monkeypatch.setattr(queue, "announce_in", lambda _topic, _id, frame: frames.append(frame))
    return frames


def handled(tenant: Tenant, seconds: int, *, hours_ago: int = 1, by: Agent) -> None:
    """A conversation that an agent closed, after so many seconds."""
    closed = timezone.now() - timedelta(hours=hours_ago)
    Conversation.objects.filter(pk=open_chat(tenant).conversation.pk).update(
        state=State.CLOSED, agent=by, agent_since=closed - timedelta(seconds=seconds), closed_at=closed
    )


def places(*chats: Chat) -> list[tuple[int, int]]:
    return [queue_position(chat.now()) for chat in chats]


def leaves(chat: Chat) -> None:
    Conversation.objects.filter(pk=chat.conversation.pk).update(state=State.CLOSED)


def test_it_estimates_by_an_ordinary_case_as_long_as_nothing_is_known(quiet: Tenant) -> None:
    first, second = asks(quiet), asks(quiet)
    assert places(first, second) == [(1, 0), (2, 0)]  # nobody is there, nobody knows
    agent("Ann")
    assert places(first, second) == [(1, 180), (2, 360)]
    agent("Bob")
    assert places(first, second) == [(1, 90), (2, 180)]


def test_it_estimates_by_what_agents_needed_lately(quiet: Tenant) -> None:
    first = asks(quiet)
    ann = agent("Ann")
    for _ in range(queue.WEIGHT):
        handled(quiet, 600, by=ann)
    handled(quiet, 30_000, hours_ago=30, by=ann)
    assert places(first) == [(1, (180 + 600) // 2)]


@pytest.mark.parametrize(("seconds", "expected"), [(0, 150), (86_400, 3600)])
def test_it_does_not_believe_a_single_extreme(quiet: Tenant, seconds: int, expected: int) -> None:
    first = asks(quiet)
    handled(quiet, seconds, by=agent("Ann"))
    assert places(first) == [(1, expected)]


def test_it_knows_that_agents_have_several_at_once_where_they_are_given(assigns: Tenant) -> None:
    first = asks(assigns)
    agent("Ann", limit=4)
    agent("Bob", limit=2)
    assert places(first) == [(1, 30)]


def test_it_has_a_queue_for_each_team(quiet: Tenant) -> None:
    complaints = team("Complaints", agent("Ann"))
    agent("Bob")
    chats = [asks(quiet) for _ in range(3)]
    Conversation.objects.filter(pk=chats[1].conversation.pk).update(team=complaints)
    assert places(*chats) == [(1, 90), (1, 180), (2, 180)]


def test_it_tells_only_whose_place_has_changed(quiet: Tenant, rung: list[dict[str, Any]]) -> None:
    chats = [asks(quiet) for _ in range(4)]
    agent("Ann")
    assert (tell_places(), rung) == (0, [])
    leaves(chats[1])
    assert tell_places() == 2
    told = {frame["conversation"]: frame["queue"] for frame in rung}
    assert told == {
        str(chats[2].conversation.pk): {"position": 2, "eta_seconds": 360},
        str(chats[3].conversation.pk): {"position": 3, "eta_seconds": 540},
    }
    assert (tell_places(), len(rung)) == (0, 2)


def test_it_tells_who_is_far_behind_only_of_a_change_that_matters(
    quiet: Tenant, rung: list[dict[str, Any]]
) -> None:
    chats = [asks(quiet) for _ in range(30)]
    leaves(chats[0])
    assert tell_places() == 20
    leaves(chats[1])
    leaves(chats[2])
    assert tell_places() == 27


def test_it_tells_nobody_of_another_tenant(quiet: Tenant, globex: Tenant, rung: list[dict[str, Any]]) -> None:
    first, _second = asks(quiet), asks(quiet)
    leaves(first)
    with inside(globex):
        make_quiet()
        assert (tell_places(), rung) == (0, [])
