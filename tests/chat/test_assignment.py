from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import actions, assignment
from chat.models import Agent, Conversation, Message, Team
from inference.models import Intent
from inference.turn import Answer
from kefu.errors import NotFound
from tenants.context import inside
from tenants.models import Policy, Tenant
from tests.chat.desk import agent, asks, holder, make_quiet, said, team
from tests.chat.sending import send
from tests.conftest import Chat, open_chat

State, Assignment = Conversation.State, Policy.Assignment


# --- Who gets it ------------------------------------------------------------------------------------------------------


def test_it_leaves_visitors_in_the_queue_where_agents_take_them_by_themselves(quiet: Tenant) -> None:
    agent("Ann")
    chat = asks(quiet)
    assert assignment.assign_waiting(quiet) == 0
    assert (holder(chat), chat.now().state) == ("", State.WAITING)


def test_it_gives_a_visitor_to_an_agent_and_says_so(assigns: Tenant) -> None:
    agent("Ann")
    chat = asks(assigns)
    now = chat.now()
    assert (holder(chat), now.waiting_since, now.place) == ("Ann", None, 0)
    assert said(chat) == ["Ann is now talking with you."]
    assert now.reason


def test_it_gives_the_next_visitor_to_the_agent_with_the_most_room(assigns: Tenant) -> None:
    agent("Ann", limit=2)
    agent("Bob", limit=4)
    assert [holder(asks(assigns)) for _ in range(6)] == ["Ann", "Bob", "Bob", "Ann", "Bob", "Bob"]


def test_it_gives_visitors_to_agents_in_turn(assigns: Tenant) -> None:
    assigns.policy.assignment = Assignment.ROUND_ROBIN
    for name in ("Ann", "Bob", "Cy"):
        agent(name, limit=9)
    assert [holder(asks(assigns)) for _ in range(5)] == ["Ann", "Bob", "Cy", "Ann", "Bob"]


def test_it_gives_nobody_more_than_they_have_room_for(assigns: Tenant) -> None:
    agent("Ann", limit=1)
    agent("Bob", limit=0)
    assert [holder(asks(assigns)) for _ in range(3)] == ["Ann", "", ""]


@pytest.mark.parametrize(
    "away",
    [
        {"presence": Agent.Presence.BUSY},
        {"presence": Agent.Presence.AWAY},
        {"seen_at": None},
        {"seen_at": timezone.now() - timedelta(minutes=5)},
    ],
)
def test_it_gives_nothing_to_who_is_not_there(assigns: Tenant, away: dict[str, Any]) -> None:
    agent("Ann", **away)
    assert holder(asks(assigns)) == ""


def test_it_gives_nothing_to_whose_login_was_deactivated(assigns: Tenant) -> None:
    ann = agent("Ann")
    ann.user.is_active = False
    ann.user.save()
    assert holder(asks(assigns)) == ""


def test_it_prefers_who_had_the_visitor_last(assigns: Tenant) -> None:
    ann, bob = agent("Ann"), agent("Bob", limit=1)
    chat = open_chat(assigns)
    actions.take_over(bob, chat.conversation.pk)
    actions.end_as_agent(bob, chat.conversation.pk)
    _visitor, again = actions.start_session(chat.visitor, "en", {})
    actions.request_agent(chat.visitor.pk, again.pk)
    again.refresh_from_db()
    assert again.agent == bob
    full = open_chat(assigns)
    Conversation.objects.create(visitor=full.visitor, state=State.CLOSED, agent=bob)
    actions.request_agent(full.visitor.pk, full.conversation.pk)
    assert full.now().agent == ann


def test_it_prefers_who_speaks_the_visitors_language(assigns: Tenant) -> None:
    agent("Ann", languages=["zh-hans"], limit=9)
    agent("Bob", languages=["en"], limit=1)
    assert [holder(asks(assigns, "en")), holder(asks(assigns, "zh-hans"))] == ["Bob", "Ann"]
    assert holder(asks(assigns, "en")) == ""  # Bob is there, and will have room again


def test_it_takes_anybody_where_nobody_there_speaks_the_language(assigns: Tenant) -> None:
    agent("Ann", languages=["zh-hans"])
    agent("Bob", languages=["en"], presence=Agent.Presence.AWAY)
    assert holder(asks(assigns, "en")) == "Ann"


def test_it_takes_an_agent_without_languages_for_one_who_speaks_all(assigns: Tenant) -> None:
    agent("Ann", languages=["zh-hans"])
    agent("Bob")
    assert [holder(asks(assigns, "en")) for _ in range(2)] == ["Bob", "Bob"]


def test_it_knows_no_agent_of_another_tenant(assigns: Tenant, globex: Tenant) -> None:
    globex.policy.assignment = Assignment.LEAST_BUSY
    with inside(globex):
        agent("Gus")
    chat = asks(assigns)
    with inside(globex):
        assert assignment.assign_waiting(globex) == 0
    assert (holder(chat), chat.now().state) == ("", State.WAITING)


def test_it_gives_a_visitor_to_whom_the_bot_calls(assigns: Tenant) -> None:
    agent("Ann")
    chat = open_chat(assigns)
    send(chat, "one", "a person, please", Answer("of course", "hand_over", hand_over="asked for a person"))
    assert said(chat)[1:] == ["of course", "Ann is now talking with you."]
    assert chat.now().reason == "asked for a person"


# --- Teams ------------------------------------------------------------------------------------------------------------


def test_it_stays_within_the_team_of_what_the_visitor_came_for(assigns: Tenant) -> None:
    agent("Ann", limit=9)
    team("Complaints", agent("Bob", limit=1)).intents.add(Intent.objects.create(name="broken"))
    path = {"steps": [{"step": "detect_intent", "intent": "broken"}, {"step": "retrieve_passages"}]}
    chats = [open_chat(assigns) for _ in range(3)]
    for chat in chats[:2]:
        chat.conversation.messages.create(seq=1, sender_kind=Message.Sender.BOT, text="oh", path=path)
    for chat in chats:
        Conversation.objects.filter(pk=chat.conversation.pk).update(last_seq=1)
        actions.request_agent(chat.visitor.pk, chat.conversation.pk)
    assert [holder(chat) for chat in chats] == ["Bob", "", "Ann"]


def test_it_passes_a_visitor_to_somebody_else_of_a_team(assigns: Tenant) -> None:
    ann = agent("Ann", limit=9)
    complaints = team("Complaints", ann, agent("Bob"))
    agent("Cy", limit=9)
    chat = open_chat(assigns)
    actions.take_over(ann, chat.conversation.pk)
    actions.transfer_to_team(ann, chat.conversation.pk, complaints.pk, "a hard one")
    assert (holder(chat), chat.now().team) == ("Bob", complaints)
    assert said(chat)[-1] == "Bob is now talking with you."
    assert [note.text for note in chat.conversation.notes.all()] == ["a hard one"]


def test_it_lets_a_visitor_wait_for_a_team_of_which_nobody_is_free(assigns: Tenant) -> None:
    ann, bob = agent("Ann"), agent("Bob", presence=Agent.Presence.AWAY)
    complaints = team("Complaints", bob)
    chat = open_chat(assigns)
    actions.take_over(ann, chat.conversation.pk)
    actions.transfer_to_team(ann, chat.conversation.pk, complaints.pk, "")
    assert (holder(chat), assignment.assign_waiting(assigns)) == ("", 0)
    assert "Complaints" in chat.now().reason and "Ann" in chat.now().reason
    assert said(chat)[-1].startswith("Nobody is there right now.")
    actions.set_presence(bob, "online")
    assert (assignment.assign_waiting(assigns), holder(chat)) == (1, "Bob")


def test_it_puts_a_visitor_into_a_teams_queue_where_agents_take_them_by_themselves(quiet: Tenant) -> None:
    ann = agent("Ann")
    complaints = team("Complaints", agent("Bob"))
    chat = open_chat(quiet)
    actions.take_over(ann, chat.conversation.pk)
    actions.transfer_to_team(ann, chat.conversation.pk, complaints.pk, "")
    now = chat.now()
    assert (now.state, now.agent, now.team) == (State.WAITING, None, complaints)


def test_it_gives_it_back_to_who_passed_it_on_only_where_the_team_has_nobody_else(assigns: Tenant) -> None:
    ann, bob = agent("Ann", limit=9), agent("Bob", limit=0)
    complaints = team("Complaints", ann, bob)
    chat = open_chat(assigns)
    actions.take_over(ann, chat.conversation.pk)
    actions.transfer_to_team(ann, chat.conversation.pk, complaints.pk, "")
    assert (assignment.assign_waiting(assigns), holder(chat)) == (0, "")
    actions.set_presence(bob, "away")
    assert (assignment.assign_waiting(assigns), holder(chat)) == (1, "Ann")


def test_it_knows_no_team_of_another_tenant(assigns: Tenant, globex: Tenant) -> None:
    with inside(globex):
        foreign = team("Complaints")
        Team.objects.filter(pk=foreign.pk).update(id=99_999)
    ann = agent("Ann")
    chat = open_chat(assigns)
    actions.take_over(ann, chat.conversation.pk)
    with pytest.raises(NotFound):
        actions.transfer_to_team(ann, chat.conversation.pk, 99_999, "")
    assert holder(chat) == "Ann"


# --- When there is room again -----------------------------------------------------------------------------------------


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Any) -> Callable[..., None]:
    """Does `verb` and what follows its commit."""

    def does(verb: Callable[..., object], *args: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            verb(*args)

    return does


def test_it_gives_who_waits_longest_first_when_agents_return(
    assigns: Tenant, committing: Callable[..., None]
) -> None:
    first, second, third = (asks(assigns) for _ in range(3))
    ann = agent("Ann", limit=2, presence=Agent.Presence.AWAY)
    committing(actions.set_presence, ann, "online")
    assert [holder(chat) for chat in (first, second, third)] == ["Ann", "Ann", ""]
    assert said(first)[-1] == "Ann is now talking with you."


@pytest.mark.parametrize("ends", ["end_as_agent", "hand_back", "end_as_visitor", "transfer"])
def test_it_gives_the_next_one_when_a_place_is_free_again(
    assigns: Tenant, committing: Callable[..., None], ends: str
) -> None:
    ann, bob = agent("Ann", limit=1), agent("Bob", limit=0)
    first, second = asks(assigns), asks(assigns)
    who = first.visitor.pk if ends == "end_as_visitor" else ann
    more = (bob.pk, "") if ends == "transfer" else ()
    committing(getattr(actions, ends), who, first.conversation.pk, *more)
    assert holder(second) == "Ann"


def test_it_lets_nobody_overtake_who_waits(assigns: Tenant) -> None:
    first = asks(assigns)
    agent("Ann", limit=1)
    second = asks(assigns)
    assert (holder(first), holder(second)) == ("", "")
    assert assignment.assign_waiting(assigns) == 1
    assert (holder(first), holder(second)) == ("Ann", "")


def test_it_passes_over_who_waits_for_others(assigns: Tenant) -> None:
    agent("Ann", languages=["zh-hans"])
    agent("Bob", languages=["en"], limit=0)
    english, chinese = asks(assigns, "en"), asks(assigns, "zh-hans")
    assert assignment.assign_waiting(assigns) == 1
    assert (holder(english), holder(chinese)) == ("", "Ann")


def test_it_asks_the_database_no_more_often_for_many_who_wait(assigns: Tenant) -> None:
    agent("Ann", limit=0)
    counts = []
    for _ in range(3):
        asks(assigns)
        with CaptureQueriesContext(connection) as queries:
            assert assignment.assign_waiting(assigns) == 0
        counts.append(len(queries))
    assert len(set(counts)) == 1


def test_it_never_exceeds_a_limit_whoever_assigns_at_once(live_acme: Tenant) -> None:
    live_acme.policy.assignment = Assignment.LEAST_BUSY
    with inside(live_acme):
        # Who was left waiting by other tests would be given to them first.
        Conversation.objects.filter(state=State.WAITING).update(state=State.CLOSED)
        only_us = team("At once", agent("Ann", limit=2), agent("Bob", limit=3))
        chats = [waits_for(only_us, live_acme) for _ in range(12)]
    start = threading.Barrier(6)

    def assigns_all() -> None:
        start.wait(30)
        with inside(live_acme):
            assignment.assign_waiting(live_acme)
        connection.close()

    threads = [threading.Thread(target=assigns_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with inside(live_acme):
        assignment.assign_waiting(live_acme)  # whom each of them left to another
        assert sorted(filter(None, map(holder, chats))) == ["Ann", "Ann", "Bob", "Bob", "Bob"]
        only_us.delete()
        make_quiet()


def waits_for(team: Team, tenant: Tenant) -> Chat:
    chat = open_chat(tenant)
    Conversation.objects.filter(pk=chat.conversation.pk).update(
        state=State.WAITING, team=team, waiting_since=timezone.now()
    )
    return chat


def test_it_leaves_a_conversation_alone_that_somebody_is_about_to_take(live_acme: Tenant) -> None:
    live_acme.policy.assignment = Assignment.LEAST_BUSY
    with inside(live_acme):
        Conversation.objects.filter(state=State.WAITING).update(state=State.CLOSED)
        ann, bob = agent("Ann", presence=Agent.Presence.BUSY), agent("Bob")
        only_bob = team("Alone", bob)
        chat = waits_for(only_bob, live_acme)
    given = []

    def assigns_all() -> None:
        with inside(live_acme):
            given.append(assignment.assign_waiting(live_acme))
        connection.close()

    with inside(live_acme):
        with transaction.atomic():
            actions.take_over(ann, chat.conversation.pk)
            other = threading.Thread(target=assigns_all)
            other.start()
            other.join(60)
        assert (given, holder(chat)) == ([0], "Ann")
        only_bob.delete()
        make_quiet()
