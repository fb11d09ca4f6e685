"""F16, F30: a web process that was frozen does, when it thaws, what it was asked before; not what the conversation has left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenants.models import Tenant
from tests.chat.client import Frame, Place, Socket, Visitor, agent_socket
from tests.chat.conftest import web_process
from tests.hostile.conftest import Web, key_of_agent
from tests.hostile.test_ownership import everything

pytestmark = pytest.mark.product

Story = Callable[[str, Socket, Socket], None]


@pytest.fixture(scope="module")
def slow(web: Web) -> Iterator[tuple[int, int]]:
    """(port, process number) of another web process, which the tests freeze."""
    with web_process("slow") as process:
        yield process


@pytest.fixture
def slow_place(slow: tuple[int, int], acme_place: Place) -> Iterator[Place]:
    yield Place(acme_place.host, slow[0])
    os.kill(slow[1], signal.SIGCONT)


def do(console: Socket, verb: str, conversation: str) -> None:
    assert console.ask(f"conversation.{verb}", conversation=conversation)["type"] == "ack"


def handed_back_and_taken_again(its: str, ann: Socket, bob: Socket) -> None:
    do(ann, "hand_back", its)
    do(ann, "take_over", its)


def taken_by_bob(its: str, ann: Socket, bob: Socket) -> None:
    do(ann, "hand_back", its)
    do(bob, "take_over", its)


def served_meanwhile(its: str, ann: Socket, bob: Socket) -> None:
    do(bob, "take_over", its)
    do(bob, "hand_back", its)


def come_to_ann(its: str, ann: Socket, bob: Socket) -> None:
    do(ann, "take_over", its)


AGAIN, BOBS, SERVED = handed_back_and_taken_again, taken_by_bob, served_meanwhile
LATE: list[tuple[str, str, Frame, Story, str]] = [
    ("Ann", "conversation.hand_back", {}, AGAIN, "wrong_state"),
    ("Ann", "conversation.hand_back", {}, BOBS, "already_taken"),
    ("Ann", "conversation.transfer", {"agent": 0}, AGAIN, "wrong_state"),
    ("Ann", "conversation.end", {}, AGAIN, "wrong_state"),
    ("nobody", "conversation.take_over", {}, SERVED, "wrong_state"),
    ("nobody", "conversation.end", {}, SERVED, "wrong_state"),
    ("visitor", "conversation.end", {}, come_to_ann, "wrong_state"),
    ("visitor", "agent.request", {}, SERVED, "wrong_state"),
]


@pytest.mark.parametrize(("whose", "verb", "fields", "story", "code"), LATE)
def test_f30_a_thawed_process_does_nothing_that_was_meant_for_an_earlier_time(
    slow: tuple[int, int], slow_place: Place, visitor: Visitor, live_acme: Tenant, console: Callable[..., Socket],
    whose: str, verb: str, fields: Frame, story: Story, code: str,
) -> None:  # fmt: skip
    its = visitor.conversation
    ann, bob = console(live_acme, "Ann"), console(live_acme, "Bob")
    if whose == "Ann":
        do(ann, "take_over", its)
    late = tab_of(visitor, slow_place) if whose == "visitor" else console_of(live_acme, slow_place)
    seen = epoch_of(live_acme, its)
    os.kill(slow[1], signal.SIGSTOP)
    number = bob.frames[0]["agent"]["id"]
    late.send(verb, id="late", conversation=its, epoch=seen, **fields and {"agent": number})
    story(its, ann, bob)
    before = everything(live_acme, its)
    os.kill(slow[1], signal.SIGCONT)
    refused = late.expect(lambda frame: frame["type"] in ("ack", "error") and frame.get("id") == "late")
    assert refused.get("code") == code
    assert late.expect("conversation", conversation=its, epoch=epoch_of(live_acme, its))
    assert everything(live_acme, its) == before
    late.line.close()


def test_f16_a_thawed_process_does_what_is_still_meant(
    slow: tuple[int, int], slow_place: Place, visitor: Visitor, live_acme: Tenant
) -> None:
    late, its = console_of(live_acme, slow_place), visitor.conversation
    os.kill(slow[1], signal.SIGSTOP)
    late.send("conversation.take_over", id="late", conversation=its, epoch=epoch_of(live_acme, its))
    os.kill(slow[1], signal.SIGCONT)
    assert late.expect("ack", id="late")
    assert everything(live_acme, its)[0]["state"] == "agent"
    late.line.close()


def test_f16_a_thawed_process_takes_over_who_has_only_asked_for_a_person_meanwhile(
    slow: tuple[int, int], slow_place: Place, visitor: Visitor, live_acme: Tenant
) -> None:
    late, its = console_of(live_acme, slow_place), visitor.conversation
    seen = epoch_of(live_acme, its)
    os.kill(slow[1], signal.SIGSTOP)
    late.send("conversation.take_over", id="late", conversation=its, epoch=seen)
    with visitor.socket() as tab:
        assert tab.ask("agent.request", conversation=its)["type"] == "ack"
        assert everything(live_acme, its)[0]["state"] == "waiting"
        os.kill(slow[1], signal.SIGCONT)
        assert late.expect("ack", id="late")
        tab.expect("conversation", state="agent", epoch=seen + 2)
    late.line.close()


def tab_of(visitor: Visitor, place: Place) -> Socket:
    socket = Socket(place, "/ws/v1/visitor", origin=place.origin)
    socket.send("hello", token=visitor.token)
    socket.expect("welcome")
    return socket


def console_of(tenant: Tenant, place: Place) -> Socket:
    return agent_socket(place, key_of_agent(tenant, "Ann"))


def epoch_of(tenant: Tenant, conversation: str) -> Any:
    return everything(tenant, conversation)[0]["epoch"]
