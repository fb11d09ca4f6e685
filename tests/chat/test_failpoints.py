"""F08, F09: a web process is killed between a commit and what follows from it. What was committed is there once, and comes to light."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from chat import turns
from chat.models import Message, PendingTurn
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Place, Socket, Visitor
from tests.chat.conftest import web_process
from tests.faults.web import BEFORE_ACK, BEFORE_BELL

ANSWERED = {"quick": "你们的退货政策是什么？", "slow": "电饭煲坏了能换吗"}  # by the web process, by a worker
KILLED = 1006


@pytest.fixture
def mortal(acme_place: Place) -> Iterator[tuple[Place, int]]:
    """(a web process that a signal makes kill itself, its number)."""
    with web_process("mortal", ("tests.faults.web",)) as (port, pid):
        yield Place(acme_place.host, port), pid


def says_and_is_cut_off(visitor: Visitor, mortal: tuple[Place, int], text: str, moment: int) -> None:
    place, pid = mortal
    with Socket(place, "/ws/v1/visitor", origin=place.origin) as tab:
        tab.send("hello", token=visitor.token)
        tab.expect("welcome")
        os.kill(pid, moment)
        tab.send("message.send", id="m1", conversation=visitor.conversation, text=text)
        assert tab.closed() == KILLED
        assert tab.all("ack") == []


def is_swept(tenant: Tenant, visitor: Visitor) -> None:
    """As the sweeper does it, for who need not wait until a turn has lain on the queue for long enough."""
    with inside(tenant):
        lying = PendingTurn.objects.filter(conversation=visitor.conversation)
        if lying.update(sent_at=timezone.now() - 2 * turns.RESEND):
            turns.resend_lost()


@pytest.mark.parametrize("lane", ANSWERED)
@pytest.mark.parametrize("moment", [BEFORE_BELL, BEFORE_ACK])
def test_it_keeps_once_what_was_committed_before_the_kill_and_tells_everybody(
    mortal: tuple[Place, int], visitor: Visitor, tab: Socket, console: Callable[[str], Socket], live_acme: Tenant,
    lane: str, moment: int,
) -> None:  # fmt: skip
    ann = console("Ann")
    ann.ask("subscribe", conversation=visitor.conversation)
    says_and_is_cut_off(visitor, mortal, ANSWERED[lane], moment)
    for socket in (ann, tab):  # on a process that lives: by the bell, or when its caretaker comes round
        assert socket.expect("message", client_id="m1")["seq"] == 1
    is_swept(live_acme, visitor)
    for socket in (ann, tab):
        assert socket.expect("message")["sender"]["kind"] == "bot"
    again = visitor.say(tab, ANSWERED[lane], id="m1")
    assert (again["type"], again["seq"]) == ("ack", 1)
    with inside(live_acme):
        kept = Message.objects.filter(conversation=visitor.conversation).order_by("seq")
        assert list(kept.values_list("seq", "sender_kind", "client_id")) == [
            (1, "visitor", "m1"),
            (2, "bot", None),
        ]
        assert not PendingTurn.objects.filter(conversation=visitor.conversation).exists()
    assert [frame["seq"] for frame in tab.all("message")] == [1, 2]
