from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from chat import actions, record
from chat.models import Agent, Conversation, PendingTurn
from chat.sessions import session_answer
from inference.turn import Answer
from kefu.errors import AlreadyTaken, NotFound, WrongState
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.sending import send, send_as_agent
from tests.conftest import Chat, make_agent, open_chat
from tests.product import wait_until

State = Conversation.State


def texts(chat: Chat) -> list[tuple[int, str]]:
    return list(chat.conversation.messages.values_list("seq", "text"))


def test_it_counts_messages_without_holes(vera: Chat) -> None:
    send(vera, "one", "first", Answer("yes", "reply"))
    send(vera, "two", "second", Answer("no", "reply"))
    assert texts(vera) == [(1, "first"), (2, "yes"), (3, "second"), (4, "no")]


def test_it_recognises_a_resend(vera: Chat) -> None:
    first = send(vera, "same", "hello", Answer("hi", "reply"))
    again = send(vera, "same", "something else", Answer("hi again", "reply"))
    assert again.pk == first.pk
    assert texts(vera) == [(1, "hello"), (2, "hi")]


def test_it_does_not_take_an_agents_id_for_a_visitors_resend(vera: Chat, ann: Agent) -> None:
    send(vera, "same", "hello", Answer("hi", "reply"))
    actions.take_over(ann, vera.conversation.pk)
    send_as_agent(ann, vera, "same", "Ann here")
    assert texts(vera)[-1][1] == "Ann here"


def test_it_asks_the_workers_only_once_while_a_turn_is_in_flight(vera: Chat) -> None:
    send(vera, "one", "first")
    send(vera, "two", "second", Answer("a quick answer", "reply"))
    assert PendingTurn.objects.filter(conversation=vera.conversation).count() == 1
    assert texts(vera) == [(1, "first"), (2, "second")]


def test_it_gives_a_conversation_to_exactly_one_agent(vera: Chat, ann: Agent, bob: Agent) -> None:
    actions.take_over(ann, vera.conversation.pk)
    with pytest.raises(AlreadyTaken) as lost:
        actions.take_over(bob, vera.conversation.pk)
    assert lost.value.extra["agent"]["name"] == "Ann"
    assert vera.now().agent == ann


def test_it_silences_the_bot_at_once_when_an_agent_takes_over(vera: Chat, ann: Agent) -> None:
    send(vera, "one", "first")
    epoch = vera.now().epoch
    actions.take_over(ann, vera.conversation.pk)
    assert not PendingTurn.objects.exists()
    assert vera.now().epoch > epoch
    send(vera, "two", "second", Answer("the bot again", "reply"))
    assert "the bot again" not in dict(texts(vera)).values()


def test_it_lets_nobody_else_write_in_an_agents_conversation(vera: Chat, ann: Agent, bob: Agent) -> None:
    with pytest.raises(WrongState):
        send_as_agent(bob, vera, "b1", "too early")
    actions.take_over(ann, vera.conversation.pk)
    with pytest.raises(AlreadyTaken):
        send_as_agent(bob, vera, "b2", "too late")
    assert [text for _, text in texts(vera)] == ["Ann is now talking with you."]


def test_it_puts_a_visitor_who_asks_for_a_person_into_the_queue_once(vera: Chat) -> None:
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    waiting = vera.now()
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    assert waiting.state == State.WAITING
    assert record.queue_position(waiting)[0] == 1
    assert vera.now().waiting_since == waiting.waiting_since
    assert len(texts(vera)) == 1


def test_it_gives_the_conversation_back_to_the_bot(vera: Chat, ann: Agent) -> None:
    actions.take_over(ann, vera.conversation.pk)
    actions.hand_back(ann, vera.conversation.pk)
    send(vera, "one", "hello", Answer("hi, the bot", "reply"))
    assert vera.now().state == State.BOT
    assert texts(vera)[-1][1] == "hi, the bot"


def test_it_accepts_nothing_more_in_a_closed_conversation(vera: Chat, ann: Agent) -> None:
    actions.end_as_visitor(vera.visitor.pk, vera.conversation.pk)
    with pytest.raises(WrongState):
        send(vera, "one")
    with pytest.raises(WrongState):
        actions.take_over(ann, vera.conversation.pk)


def test_it_opens_a_real_case_for_a_complaint(vera: Chat) -> None:
    send(vera, "one", "I want to complain", Answer("Case {case_number}.", "complaint", complaint=True))
    case = vera.conversation.cases.get()
    assert texts(vera)[-1][1] == f"Case {case.number}."
    assert case.text == "I want to complain"


def test_it_hides_a_conversation_from_another_visitor_and_from_another_tenant(
    vera: Chat, globex: Tenant
) -> None:
    other = open_chat(vera.tenant)
    with pytest.raises(NotFound):
        actions.end_as_visitor(other.visitor.pk, vera.conversation.pk)
    with inside(globex):
        gus = make_agent("Gus")
        with pytest.raises(NotFound):
            actions.take_over(gus, vera.conversation.pk)
    assert vera.now().state == State.BOT


def test_it_gives_a_conversation_to_one_of_two_agents_who_claim_it_at_once(live_acme: Tenant) -> None:
    with inside(live_acme):
        chat = open_chat(live_acme)
        ann, bob = make_agent("Ann"), make_agent("Bob")
    holds, outcome = threading.Event(), []

    def first() -> None:
        with inside(live_acme), transaction.atomic():
            actions.take_over(ann, chat.conversation.pk)
            holds.set()
            wait_until(someone_waits_for_a_lock)
        connection.close()

    def second() -> None:
        holds.wait(10)
        with inside(live_acme):
            try:
                actions.take_over(bob, chat.conversation.pk)
            except AlreadyTaken as lost:
                outcome.append(lost.extra["agent"]["name"])
        connection.close()

    claims = [threading.Thread(target=claim) for claim in (first, second)]
    for claim in claims:
        claim.start()
    for claim in claims:
        claim.join(20)
    with inside(live_acme):
        assert outcome == ["Ann"]
        assert chat.now().agent == ann
        assert [text for _, text in texts(chat)] == ["Ann is now talking with you."]


def someone_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def test_it_goes_on_answering_who_waits_while_nobody_is_there(vera: Chat) -> None:
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    send(vera, "one", "meanwhile, a question", Answer("the bot knows", "reply"))
    assert texts(vera)[-1][1] == "the bot knows"
    assert vera.now().state == State.WAITING
    assert record.queue_position(vera.now()) == (1, 0)


def test_it_keeps_the_place_of_who_asks_for_a_person_again(vera: Chat) -> None:
    send(vera, "one", "a person, please", Answer("of course", "hand_over", hand_over="asked"))
    since = vera.now().waiting_since
    send(vera, "two", "a person, please!", Answer("of course", "hand_over", hand_over="asked"))
    assert vera.now().waiting_since == since


def test_it_leaves_who_waits_to_the_people_who_are_there(vera: Chat, ann: Agent) -> None:
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    send(vera, "one", "a question", Answer("the bot knows", "reply"))
    assert "the bot knows" not in dict(texts(vera)).values()
    position, eta_seconds = record.queue_position(vera.now())
    assert position == 1 and eta_seconds > 0


def test_it_speaks_the_companys_own_words_only_to_who_reads_its_language(vera: Chat) -> None:
    policy = vera.tenant.policy
    policy.offline_text, policy.greeting = "现在没有人在。", "您好"
    actions.request_agent(vera.visitor.pk, vera.conversation.pk)
    assert texts(vera)[-1][1] == "Nobody is there right now. Your message is kept and will be answered."
    assert session_answer(vera.tenant, "", "en", {})["policy"]["greeting"] == ""
    assert session_answer(vera.tenant, "", "zh-hans", {})["policy"]["greeting"] == "您好"
