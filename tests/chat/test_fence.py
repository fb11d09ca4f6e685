"""A verb that comes late, for how things stood before, changes nothing; one's own quick verbs in a row are not late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from chat import actions, delivery
from chat.fence import Fence
from chat.models import Agent, Conversation, Message, Team
from kefu.errors import AlreadyTaken, WrongState
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Frame, Socket, Visitor
from tests.conftest import Chat

State = Conversation.State
Console = Callable[[str], Socket]


def everything(chat: Chat) -> list[Any]:
    return [
        Conversation.objects.filter(pk=chat.conversation.pk).values().get(),
        *chat.conversation.messages.order_by("seq").values(),
        *chat.conversation.notes.values(),
    ]


# --- Verbs ------------------------------------------------------------------------------------------------------------


def late_verbs(chat: Chat, ann: Agent, bob: Agent, team: Team) -> dict[str, tuple[Any, ...]]:
    conversation = chat.conversation.pk
    return {
        "hand_back": (actions.hand_back, ann, conversation),
        "transfer": (actions.transfer, ann, conversation, bob.pk, "for you"),
        "transfer_to_team": (actions.transfer_to_team, ann, conversation, team.pk, "for you all"),
        "end_as_agent": (actions.end_as_agent, ann, conversation),
        "end_as_visitor": (actions.end_as_visitor, chat.visitor.pk, conversation),
    }


@pytest.mark.parametrize(
    "name", ["hand_back", "transfer", "transfer_to_team", "end_as_agent", "end_as_visitor"]
)
def test_it_does_a_verb_only_in_the_epoch_it_was_meant_for(
    vera: Chat, ann: Agent, bob: Agent, name: str
) -> None:
    verb, *about = late_verbs(vera, ann, bob, Team.objects.create(name="Complaints"))[name]
    seen = actions.take_over(ann, vera.conversation.pk)
    actions.hand_back(ann, vera.conversation.pk)
    now = actions.take_over(ann, vera.conversation.pk)
    before = everything(vera)
    with pytest.raises(WrongState):
        verb(*about, epoch=seen)
    assert everything(vera) == before
    assert verb(*about, epoch=now) > now


def test_it_takes_nothing_over_that_has_moved_on(vera: Chat, ann: Agent, bob: Agent) -> None:
    seen = vera.now().epoch
    actions.take_over(bob, vera.conversation.pk)
    with pytest.raises(AlreadyTaken) as lost:
        actions.take_over(ann, vera.conversation.pk, epoch=seen)
    assert lost.value.extra["agent"]["name"] == "Bob"
    actions.hand_back(bob, vera.conversation.pk)
    before = everything(vera)
    with pytest.raises(WrongState):
        actions.take_over(ann, vera.conversation.pk, epoch=seen)
    assert everything(vera) == before


def test_it_takes_over_who_asked_for_a_person_at_that_very_moment(vera: Chat, ann: Agent, bob: Agent) -> None:
    seen = vera.now().epoch
    waiting = actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    assert (vera.now().state, waiting) == (State.WAITING, seen + 1)
    assert actions.take_over(ann, vera.conversation.pk, epoch=seen) == seen + 2
    assert (vera.now().agent, vera.now().state, vera.now().waiting_since) == (ann, State.AGENT, None)
    with pytest.raises(AlreadyTaken) as lost:
        actions.take_over(bob, vera.conversation.pk, epoch=seen)
    assert lost.value.extra["agent"]["name"] == "Ann"


def test_it_takes_over_nobody_who_was_served_before_they_asked_for_a_person(
    vera: Chat, ann: Agent, bob: Agent
) -> None:
    seen = vera.now().epoch
    actions.take_over(bob, vera.conversation.pk)
    actions.hand_back(bob, vera.conversation.pk)
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    before = everything(vera)
    for epoch in (seen, seen + 1):
        with pytest.raises(WrongState):
            actions.take_over(ann, vera.conversation.pk, epoch=epoch)
    assert everything(vera) == before
    assert actions.take_over(ann, vera.conversation.pk, epoch=seen + 2) == seen + 4


@pytest.mark.parametrize("name", ["end_as_agent", "end_as_visitor"])
def test_it_ends_nothing_that_has_come_to_wait_meanwhile(
    vera: Chat, ann: Agent, bob: Agent, name: str
) -> None:
    verb, *about = late_verbs(vera, ann, bob, Team.objects.create(name="Complaints"))[name]
    seen = vera.now().epoch
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    before = everything(vera)
    with pytest.raises(WrongState):
        verb(*about, epoch=seen)
    assert everything(vera) == before


def test_it_calls_nobody_for_a_visitor_who_was_served_meanwhile(vera: Chat, ann: Agent) -> None:
    seen = vera.now().epoch
    actions.take_over(ann, vera.conversation.pk)
    actions.request_agent(vera.visitor.pk, vera.conversation.pk, epoch=seen)  # is so already
    actions.hand_back(ann, vera.conversation.pk)
    with pytest.raises(WrongState):
        actions.request_agent(vera.visitor.pk, vera.conversation.pk, epoch=seen)
    assert vera.now().state == State.BOT


def test_it_leaves_what_is_so_already_in_any_epoch(vera: Chat, ann: Agent) -> None:
    seen = vera.now().epoch
    taken = actions.take_over(ann, vera.conversation.pk, epoch=seen)
    assert actions.take_over(ann, vera.conversation.pk, epoch=seen) == taken
    closed = actions.end_as_agent(ann, vera.conversation.pk, epoch=taken)
    before = everything(vera)
    assert actions.end_as_agent(ann, vera.conversation.pk, epoch=taken) == closed
    assert actions.end_as_visitor(vera.visitor.pk, vera.conversation.pk, epoch=seen) == closed
    assert everything(vera) == before


# --- What a client means ----------------------------------------------------------------------------------------------


def test_it_counts_what_a_client_has_just_done_itself_as_known(vera: Chat) -> None:
    fence, its = Fence(), vera.conversation.pk
    fence.moved(its, 3, 4)
    fence.moved(its, 4, 5)
    assert [fence.meant(its, known) for known in (2, 3, 4, 5, 6, None)] == [2, 5, 5, 5, 6, None]


def test_it_counts_nothing_as_known_across_what_somebody_else_did(vera: Chat) -> None:
    fence, its = Fence(), vera.conversation.pk
    fence.moved(its, 3, 4)
    fence.moved(its, 7, 8)
    assert [fence.meant(its, known) for known in (3, 4, 7, 8)] == [3, 4, 8, 8]
    assert fence.meant(vera.visitor.pk, 7) == 7


# --- On a socket ------------------------------------------------------------------------------------------------------


def silently(tenant: Tenant, *verbs: tuple[Any, ...]) -> None:
    """Done elsewhere, and no bell speaks of it, as when Redis is away."""
    with inside(tenant), mock.patch.object(delivery, "_ring_from_thread"):
        for verb, *about in verbs:
            verb(*about)


def stands(tenant: Tenant, visitor: Visitor) -> Conversation:
    with inside(tenant):
        return Conversation.objects.select_related("agent").get(pk=visitor.conversation)


def agent_called(tenant: Tenant, name: str) -> Agent:
    with inside(tenant):
        return Agent.objects.filter(name=name).latest("pk")


def lines(tenant: Tenant, visitor: Visitor) -> list[str]:
    with inside(tenant):
        said = Message.objects.filter(conversation=visitor.conversation, sender_kind="system").order_by("seq")
        return list(said.values_list("text", flat=True))


def test_it_does_what_one_agent_asks_for_in_quick_succession(
    visitor: Visitor, tab: Socket, console: Console, live_acme: Tenant
) -> None:
    """All of them name the epoch that she saw before the first."""
    ann, seen = console("Ann"), visitor.session["conversation"]["epoch"]
    verbs = ["take_over", "hand_back", "take_over", "end"]
    for number, verb in enumerate(verbs):
        ann.send(f"conversation.{verb}", id=f"v{number}", conversation=visitor.conversation, epoch=seen)
    for number in range(len(verbs)):
        assert ann.expect(is_answer, id=f"v{number}")["type"] == "ack"
    tab.expect("conversation", state="closed")
    assert stands(live_acme, visitor).epoch == seen + len(verbs)


def is_answer(frame: Frame) -> bool:
    return frame["type"] in ("ack", "error")


def test_it_refuses_what_is_meant_for_an_older_epoch_and_says_how_things_stand(
    visitor: Visitor, tab: Socket, console: Console, live_acme: Tenant
) -> None:
    ann, seen = console("Ann"), visitor.session["conversation"]["epoch"]
    about = {"conversation": visitor.conversation}
    ann.ask("conversation.take_over", **about)
    silently(live_acme, (actions.hand_back, agent_called(live_acme, "Ann"), visitor.conversation))
    late = ann.ask("conversation.take_over", epoch=seen, **about)
    assert (late["code"], late["temporary"]) == ("wrong_state", False)
    now = ann.expect("conversation", state="bot")
    assert now["epoch"] == seen + 2
    assert ann.ask("conversation.take_over", epoch=now["epoch"], **about)["type"] == "ack"
    assert tab.ask("conversation.end", epoch=seen, **about)["code"] == "wrong_state"
    assert tab.expect("conversation", epoch=seen + 3)["agent"]["name"] == "Ann"
    assert len(lines(live_acme, visitor)) == 3


def test_it_takes_what_it_last_told_for_what_a_client_knows(
    visitor: Visitor, tab: Socket, console: Console, live_acme: Tenant
) -> None:
    ann, about = console("Ann"), {"conversation": visitor.conversation}
    ann.ask("subscribe", **about)
    ann.ask("conversation.take_over", **about)
    tab.expect("conversation", state="agent")
    her, its = agent_called(live_acme, "Ann"), visitor.conversation
    silently(live_acme, (actions.hand_back, her, its), (actions.take_over, her, its))
    for socket, verb in ((ann, "hand_back"), (tab, "end")):
        assert socket.ask(f"conversation.{verb}", **about)["code"] == "wrong_state"
        socket.expect("conversation", state="agent")
    assert stands(live_acme, visitor).agent == her
    assert ann.ask("conversation.hand_back", **about)["type"] == "ack"  # now that she knows


def test_it_does_not_hold_back_who_names_no_epoch_and_was_told_of_none(
    visitor: Visitor, console: Console, live_acme: Tenant
) -> None:
    ann, about = console("Ann"), {"conversation": visitor.conversation}
    ann.ask("conversation.take_over", **about)
    her, its = agent_called(live_acme, "Ann"), visitor.conversation
    silently(live_acme, (actions.hand_back, her, its), (actions.take_over, her, its))
    assert ann.ask("conversation.hand_back", **about)["type"] == "ack"
