"""Assignment, places in the queue and presence as a visitor's page and an agent's console see them: real sockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat import assignment, queue
from chat.models import Agent, Team
from tenants.context import inside
from tenants.models import Policy, Tenant
from tests.chat.client import Frame, Place, Socket, Visitor, agent_socket
from tests.chat.conftest import login
from tests.chat.desk import make_quiet
from tests.conftest import make_agent

pytestmark = pytest.mark.product

Console = Callable[[str], Socket]


@pytest.fixture
def acme_alone(live_acme: Tenant) -> Tenant:
    with inside(live_acme):
        make_quiet()
    return live_acme


def is_state(state: str) -> Callable[[Frame], bool]:
    return lambda frame: frame["type"] == "conversation" and frame["state"] == state


def is_visitor(online: bool) -> Callable[[Frame], bool]:
    return lambda frame: frame["type"] == "presence" and frame.get("visitor") == {"online": online}


def ask_for_a_person(visitor: Visitor, tab: Socket) -> Frame:
    assert tab.ask("agent.request", conversation=visitor.conversation)["type"] == "ack"
    return tab.expect(is_state("waiting"))


def test_it_gives_a_waiting_visitor_to_an_agent_and_tells_both(
    acme_alone: Tenant, visitor: Visitor, tab: Socket, console: Console
) -> None:
    assert ask_for_a_person(visitor, tab)["queue"] == {"position": 1, "eta_seconds": 0}
    ann = console("Ann")
    me = ann.frames[0]["agent"]
    assert ann.ask("presence", state="online")["type"] == "ack"
    acme_alone.policy.assignment = Policy.Assignment.LEAST_BUSY
    with inside(acme_alone):
        assert assignment.assign_waiting(acme_alone) == 1
    given = ann.expect(is_state("agent"), conversation=visitor.conversation)
    assert given["agent"] == {"id": me["id"], "name": "Ann"}
    assert tab.expect(is_state("agent"))["agent"] == given["agent"]
    tab.expect("message", text="Ann is now talking with you.")


def test_it_tells_a_visitor_that_they_have_moved_up(
    acme_alone: Tenant, acme_place: Place, visitor: Visitor, tab: Socket
) -> None:
    ask_for_a_person(visitor, tab)
    behind = Visitor(acme_place)
    with behind.socket() as other:
        first = ask_for_a_person(behind, other)
        assert first["queue"]["position"] == 2
        assert tab.ask("conversation.end", conversation=visitor.conversation)["type"] == "ack"
        with inside(acme_alone):
            assert queue.tell_places() == 1
        moved = other.expect("conversation")
        assert (moved["queue"]["position"], moved["epoch"]) == (1, first["epoch"])


def test_it_passes_a_visitor_to_a_team(
    acme_alone: Tenant, visitor: Visitor, tab: Socket, console: Console
) -> None:
    ann, bob = console("Ann"), console("Bob")
    with inside(acme_alone):
        team = Team.objects.create(name=f"Complaints {visitor.conversation[:8]}")
    assert ann.ask("conversation.take_over", conversation=visitor.conversation)["type"] == "ack"
    wrong = ann.ask("conversation.transfer", conversation=visitor.conversation, team=team.pk + 1000)
    assert wrong["code"] == "not_found"
    done = ann.ask("conversation.transfer", conversation=visitor.conversation, team=team.pk, note="hard")
    assert done["type"] == "ack"
    waiting = bob.expect(is_state("waiting"), conversation=visitor.conversation)
    assert waiting["team"] == {"id": team.pk, "name": team.name}
    tab.expect(is_state("waiting"))
    assert "team" not in tab.frames[-1]


def test_it_shows_agents_who_look_whether_the_visitor_is_there(
    visitor: Visitor, tab: Socket, console: Console
) -> None:
    visitor.say(tab, "hello")
    ann, bob = console("Ann"), console("Bob")
    assert ann.ask("subscribe", conversation=visitor.conversation)["type"] == "ack"
    ann.expect(is_visitor(True), conversation=visitor.conversation)
    tab.line.close()
    ann.expect(is_visitor(False), conversation=visitor.conversation)
    with visitor.socket() as again:
        ann.expect(is_visitor(True), conversation=visitor.conversation)
        assert again.ask("conversation.end", conversation=visitor.conversation)["type"] == "ack"
        assert not again.all("presence") and not tab.all("presence")
    assert not [frame for frame in bob.all("presence") if "visitor" in frame]


def test_it_takes_an_agent_for_there_as_soon_as_the_console_says_hello(
    acme_alone: Tenant, acme_place: Place, live_globex: Tenant
) -> None:
    with inside(acme_alone):
        ann = make_agent("Ann")
        Agent.objects.filter(pk=ann.pk).update(seen_at=None)
        with agent_socket(acme_place, login(acme_alone, ann)):
            assert ann in Agent.objects.reachable()
        assert ann in Agent.objects.reachable()  # a reload is no absence
    with inside(live_globex):
        assert not Agent.objects.reachable().filter(name="Ann").exists()
