"""A worker that is told to stop loses no answer: what ends soon ends there, the rest is taken up by another worker."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from celery import current_app

from chat import actions, turns
from chat.models import Agent, PendingTurn
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Socket, Visitor
from tests.chat.sending import send
from tests.conftest import Chat
from tests.model_server import ModelServer
from tests.product import wait_until
from tests.workers import Worker


def asked(chat: Chat) -> PendingTurn:
    send(chat, "1", "first")
    return PendingTurn.objects.get(conversation=chat.conversation)


def test_it_gives_a_turn_back_and_does_not_count_the_try(vera: Chat) -> None:
    turn = asked(vera)
    for _ in range(turns.ATTEMPTS + 1):
        work = turns.claim(turn.pk)
        assert work and not work.gives_up
        turns.give_back(work.conversation, work.turn)


def test_it_gives_back_nothing_that_is_answered_or_no_longer_wanted(vera: Chat, ann: Agent) -> None:
    work = turns.claim(asked(vera).pk)
    assert work
    actions.take_over(ann, vera.conversation.pk)
    turns.give_back(work.conversation, work.turn)
    assert not PendingTurn.objects.filter(conversation=vera.conversation).exists()


@pytest.fixture
def other_worker(visitor: Visitor) -> Iterator[Callable[[str], None]]:
    """The one that serves all tests: takes no answers until it is told `add_consumer`."""

    def tell(verb: str) -> None:
        control = getattr(current_app.control, verb)
        wait_until(lambda: any("ok" in reply[name] for reply in control("llm", reply=True) for name in reply))

    tell("cancel_consumer")
    yield tell
    tell("add_consumer")


@pytest.fixture
def leaving(other_worker: Callable[[str], None]) -> Iterator[Worker]:
    """The only worker that takes answers."""
    with Worker("leaving@here", "llm") as worker:
        yield worker


def begins(visitor: Visitor, tab: Socket, question: str) -> str:
    visitor.say(tab, question)
    stream: str = tab.expect("answer.start")["stream"]
    tab.expect("answer.delta", stream=stream)
    return stream


def test_it_hands_a_long_answer_to_another_worker(
    leaving: Worker,
    other_worker: Callable[[str], None],
    visitor: Visitor,
    tab: Socket,
    model: ModelServer,
    live_acme: Tenant,
) -> None:
    stream = begins(visitor, tab, "电饭煲坏了能换吗 [endless]")
    asked = model.requests[-1]
    other_worker("add_consumer")
    leaving.process.send_signal(signal.SIGTERM)
    assert tab.expect("answer.start")["stream"] == stream
    assert tab.expect("answer.delta", stream=stream)["n"] == 0
    assert asked.left.wait(15)
    leaving.process.wait(30)
    with inside(live_acme):
        turn = PendingTurn.objects.get(pk=UUID(stream))
    assert turn.attempts == 1
    tab.ask("answer.stop", conversation=visitor.conversation)
    assert tab.expect("answer.end", stream=stream)["reason"] == "stopped"
    assert {frame["sender"]["kind"] for frame in tab.all("message")} == {"visitor"}


def test_it_ends_a_short_answer_itself(leaving: Worker, visitor: Visitor, tab: Socket) -> None:
    stream = begins(visitor, tab, "电饭煲坏了能换吗 [slow]")
    leaving.process.send_signal(signal.SIGTERM)
    said = tab.expect("message", stream=stream)
    assert said["text"].startswith("0 1 2") and len(tab.all("answer.start")) == 1
    leaving.process.wait(30)
