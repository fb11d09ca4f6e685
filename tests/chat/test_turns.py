"""The worker lane's promise: each question is answered once, whatever happens to tasks, workers and Redis."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chat import actions, turns
from chat.models import Agent, Conversation, PendingTurn
from inference.turn import Answer
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.sending import quick, send, send_turn
from tests.chat.test_ownership import texts
from tests.conftest import Chat, open_chat

YES = Answer("yes", "reply")


def pending(chat: Chat) -> PendingTurn:
    return PendingTurn.objects.get(conversation=chat.conversation)


def ask(chat: Chat, *questions: str) -> PendingTurn:
    for question in questions:
        send(chat, question, question)
    return pending(chat)


def claimed(chat: Chat) -> turns.Work:
    work = turns.claim(pending(chat).pk)
    assert work
    return work


def lease_ended(chat: Chat) -> None:
    PendingTurn.objects.filter(conversation=chat.conversation).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def test_it_gives_a_turn_to_one_task_only(vera: Chat) -> None:
    turn = ask(vera, "first", "second")
    work = turns.claim(turn.pk)
    assert work and (work.question, work.through_seq, work.gives_up) == ("first\nsecond", 2, False)
    assert turns.claim(turn.pk) is None


def test_it_gives_a_turn_again_when_the_lease_has_ended(vera: Chat) -> None:
    turn = ask(vera, "first")
    claimed(vera)
    lease_ended(vera)
    assert turns.claim(turn.pk)


def test_it_keeps_the_claim_of_a_task_that_lives(vera: Chat) -> None:
    turn = ask(vera, "first")
    claimed(vera)
    lease_ended(vera)
    assert turns.renew(turn.pk)
    assert turns.claim(turn.pk) is None


def test_it_tells_a_task_that_its_turn_is_gone(vera: Chat) -> None:
    turn = ask(vera, "first")
    claimed(vera)
    actions.stop_answer(vera.visitor.pk, vera.conversation.pk)
    assert not turns.renew(turn.pk)
    assert turns.claim(turn.pk) is None


def test_it_gives_up_after_three_attempts(vera: Chat) -> None:
    ask(vera, "first")
    given_up = []
    for _ in range(turns.ATTEMPTS + 1):
        given_up.append(claimed(vera).gives_up)
        lease_ended(vera)
    assert given_up == [False, False, False, True]


def test_it_writes_an_answer_once(vera: Chat) -> None:
    ask(vera, "first")
    work = claimed(vera)
    message = turns.finish(work, YES, [])
    assert message and message.stream == work.turn
    assert turns.finish(work, YES, []) is None
    assert texts(vera) == [(1, "first"), (2, "yes")]
    assert not PendingTurn.objects.filter(conversation=vera.conversation).exists()


@pytest.mark.parametrize("event", ["taken", "taken and handed back", "called", "stopped", "closed"])
def test_it_writes_nothing_that_began_under_an_older_epoch(vera: Chat, ann: Agent, event: str) -> None:
    ask(vera, "first")
    work = claimed(vera)
    visitor, conversation = vera.visitor.pk, vera.conversation.pk
    if event.startswith("taken"):
        actions.take_over(ann, conversation)
    if event.endswith("handed back"):
        actions.hand_back(ann, conversation)
    if event == "called":
        actions.request_agent(visitor, conversation)
    if event == "stopped":
        actions.stop_answer(visitor, conversation)
    if event == "closed":
        actions.end_as_visitor(visitor, conversation)
    before = texts(vera)
    assert turns.finish(work, YES, []) is None
    assert texts(vera) == before


def test_it_answers_what_came_meanwhile_in_one_more_turn(vera: Chat) -> None:
    ask(vera, "first")
    work = claimed(vera)
    send(vera, "second", "second")
    send(vera, "third", "third", Answer("a quick one", "reply"))
    assert turns.finish(work, YES, [])
    newer = claimed(vera)
    assert newer.turn != work.turn
    assert newer.question == "second\nthird"
    turns.finish(newer, Answer("both", "reply"), [])
    assert [text for _, text in texts(vera)] == ["first", "second", "third", "yes", "both"]
    assert not PendingTurn.objects.filter(conversation=vera.conversation).exists()
    assert turns.rebuild_dialogue(vera.conversation.pk).turns == (("first", "yes"), ("second\nthird", "both"))


def test_it_calls_a_person_at_once_though_a_turn_is_in_flight(vera: Chat) -> None:
    ask(vera, "first")
    work = claimed(vera)
    send(vera, "person", "转人工", Answer("I am calling one.", "hand_over", hand_over="asked for a person"))
    assert vera.now().state == Conversation.State.WAITING
    assert turns.finish(work, YES, []) is None
    assert "yes" not in dict(texts(vera)).values()


def test_it_opens_no_more_turns_where_the_answer_calls_a_person(vera: Chat, ann: Agent) -> None:
    ask(vera, "first")
    work = claimed(vera)
    send(vera, "second", "second")
    turns.finish(work, Answer("a person comes", "hand_over", hand_over="why"), [])
    assert vera.now().state == Conversation.State.WAITING
    assert not PendingTurn.objects.filter(conversation=vera.conversation).exists()


def test_it_answers_the_last_question_again(vera: Chat) -> None:
    ask(vera, "first")
    turns.finish(claimed(vera), YES, [])
    actions.answer_again(vera.visitor.pk, vera.conversation.pk)
    assert claimed(vera).question == "first"


def test_it_says_what_was_really_said(vera: Chat) -> None:
    complaint = Answer("Case {case_number}.", "complaint", complaint=True)
    _asked, said = send_turn(vera, "one", quick(vera, "bad!", complaint))
    assert said and said.text == f"Case {vera.conversation.cases.get().number}."
    _asked, said = send_turn(vera, "one", quick(vera, "bad!", complaint))
    assert said is None and vera.conversation.cases.count() == 1


# --- What Redis forgot ------------------------------------------------------------------------------------------------


def late(chat: Chat, **fields: object) -> None:
    PendingTurn.objects.filter(conversation=chat.conversation).update(**fields)


def test_it_sends_again_only_what_is_lost(vera: Chat, globex: Tenant) -> None:
    now = timezone.now()
    chats = [vera, *(open_chat(vera.tenant) for _ in range(3))]
    for chat in chats:
        ask(chat, "first")
    _fresh, unclaimed, abandoned, running = chats
    late(unclaimed, sent_at=now - turns.RESEND * 2)
    late(abandoned, sent_at=now - turns.RESEND * 2, lease_until=now - timedelta(seconds=1))
    late(running, sent_at=now - turns.RESEND * 2, lease_until=now + turns.LEASE)
    before = {chat.conversation.pk: pending(chat).sent_at for chat in chats}
    assert turns.resend_lost() == 2
    sent = {chat.conversation.pk for chat in chats if pending(chat).sent_at != before[chat.conversation.pk]}
    assert sent == {unclaimed.conversation.pk, abandoned.conversation.pk}
    assert turns.claim(pending(abandoned).pk) and turns.claim(pending(running).pk) is None
    with inside(globex):
        assert turns.resend_lost() == 0
