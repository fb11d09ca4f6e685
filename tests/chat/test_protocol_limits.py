"""What a socket bears: floods, nonsense, silence; and what it says about them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.contrib.auth.models import User
from websockets.exceptions import ConnectionClosed

from tenants.context import inside
from tenants.models import Policy, Tenant
from tests.chat.client import Place, Socket, Visitor, of
from tests.chat.conftest import suspended
from tests.chat.test_protocol import POLICY

pytestmark = pytest.mark.product


@pytest.fixture(scope="module", autouse=True)
def silent(port: int) -> Iterator[Socket]:
    """A socket that never says hello: what becomes of it is looked at last."""
    yield (socket := Socket(Place("acme.localhost", port), "/ws/v1/visitor"))
    socket.line.close()


def test_it_limits_how_much_a_visitor_sends_and_says_how_long_to_wait(visitor: Visitor, tab: Socket) -> None:
    answers = [visitor.say(tab, POLICY, id=f"q{number}") for number in range(45)]
    limited = [answer for answer in answers if answer["type"] == "error"]
    assert limited and {answer["code"] for answer in limited} == {"rate_limited"}
    # Twenty a minute: at the beginning of a window, the first of them is a twentieth of a minute older when the next is over.
    assert limited[0]["temporary"] and 0 < limited[0]["retry_after"] <= 63
    other = Visitor(visitor.place)
    with other.socket() as socket:
        assert other.say(socket, POLICY)["type"] == "ack"


def test_it_acknowledges_again_what_it_acknowledged_once_however_little_is_left(
    visitor: Visitor, tab: Socket
) -> None:
    first = visitor.say(tab, POLICY, id="the-first")
    answers = [visitor.say(tab, POLICY, id=f"q{number}") for number in range(45)]
    assert answers[-1]["code"] == "rate_limited"
    assert visitor.say(tab, POLICY, id="the-first") == first
    assert visitor.post(POLICY, "the-first") == (200, first)
    assert visitor.say(tab, POLICY, id="one-more")["code"] == "rate_limited"


def test_it_counts_asking_again_like_a_message(visitor: Visitor, tab: Socket) -> None:
    answers = [tab.ask("answer.again", conversation=visitor.conversation) for _number in range(45)]
    assert answers[0]["type"] == "ack"
    assert "rate_limited" in {answer.get("code") for answer in answers}


def test_it_closes_a_socket_that_sends_frames_without_end_and_harms_nobody_else(
    visitor: Visitor, tab: Socket
) -> None:
    with visitor.socket() as other:
        for _number in range(Policy().frames_per_ten_seconds):
            other.send("typing", conversation=visitor.conversation)
        assert other.closed() == 4029
    assert visitor.say(tab, POLICY)["type"] == "ack"


def test_it_closes_one_socket_too_many_of_a_visitor_and_of_nobody_else(visitor: Visitor) -> None:
    with ExitStack() as stack:
        for _number in range(Policy().sockets_per_visitor):
            stack.enter_context(visitor.socket())
        with Socket(visitor.place, "/ws/v1/visitor", origin=visitor.place.origin) as one_more:
            one_more.send("hello", token=visitor.token)
            assert one_more.closed() == 4029
            assert not one_more.all("welcome")
        stack.enter_context(Visitor(visitor.place).socket())
    with visitor.socket() as tab:
        assert visitor.say(tab, POLICY)["type"] == "ack"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not JSON", "bad_frame"),
        ("[]", "bad_frame"),
        ('{"type": "no.such"}', "unknown_type"),
        ('{"type": "conversation.take_over", "id": "x"}', "unknown_type"),
        ('{"type": "message.send", "id": "x"}', "bad_frame"),
        ('{"type": "agent.request", "id": "x", "conversation": "%s", "reason": "\\u0000"}', "bad_frame"),
        ('{"type": "agent.request", "id": "x", "conversation": "%s", "reason": "\\ud800"}', "bad_frame"),
        ('{"type": "message.send", "id": "x", "conversation": "%s", "text": "\\ud800"}', "bad_frame"),
        ('{"type": "message.send", "id": "x", "conversation": "%s", "text": "  "}', "bad_frame"),
        ('{"type": "read", "conversation": "%s", "seq": 1e400}', "bad_frame"),
        ("[" * 30_000, "bad_frame"),
    ],
)
def test_it_answers_nonsense_with_an_error_and_lives(
    visitor: Visitor, tab: Socket, text: str, code: str
) -> None:
    tab.raw(text.replace("%s", visitor.conversation))
    error = tab.expect("error")
    assert error["code"] == code and error["message"]
    assert visitor.say(tab, POLICY)["type"] == "ack"


def test_it_answers_binary_frames_and_early_ones_with_an_error(acme_place: Place) -> None:
    with Socket(acme_place, "/ws/v1/visitor") as socket:
        socket.raw(b"\x00\xff")
        assert socket.expect("error")["code"] == "bad_frame"
        socket.send("ping")
        assert socket.expect("error")["code"] == "unknown_type"


def test_it_closes_on_a_frame_beyond_the_limit_and_harms_nobody_else(visitor: Visitor, tab: Socket) -> None:
    with visitor.socket() as other:
        other.raw('{"type": "ping", "id": "' + "x" * 70_000 + '"}')
        assert other.closed() == 1009
    assert visitor.say(tab, POLICY)["type"] == "ack"


@pytest.mark.parametrize(
    "page", [{"title": "a\u0000b"}, {"url": "\ud800"}, {"referrer": 7}, {"title": "x" * 400}]
)
def test_it_refuses_a_session_with_nonsense_in_it(acme_place: Place, page: object) -> None:
    status, problem = acme_place.request("POST", "/api/v1/visitor/sessions", {"page": page})
    assert (status, problem.get("code")) == (400, "bad_frame"), problem


def test_it_believes_nothing_that_a_visitor_says_about_themselves(visitor: Visitor, tab: Socket) -> None:
    """H12: the sender comes from the token."""
    tab.ask(
        "message.send", conversation=visitor.conversation, text=POLICY,
        role="agent", sender={"kind": "agent", "name": "Boss"}, sender_type="agent", agent_id=1, tenant="globex", ai=True,
    )  # fmt: skip
    said = tab.expect(of("visitor"))
    assert said["sender"] == {"kind": "visitor", "name": visitor.session["visitor"]["name"]}
    assert not said["ai"]


# --- The end ----------------------------------------------------------------------------------------------------------


def test_it_closes_the_sockets_of_a_suspended_tenant(
    globex_place: Place, live_globex: Tenant, visitor: Visitor
) -> None:
    gina = Visitor(globex_place)
    socket = gina.socket()
    with suspended(live_globex, gina):
        pings = threading.Thread(target=_ping_until_closed, args=(socket,))
        pings.start()
        assert socket.closed() == 4090
        pings.join()
        assert gina.history()[0] == 503
        assert visitor.history()[0] == 200


def test_it_closes_the_console_of_a_login_that_has_ended_though_it_says_nothing(
    console: Callable[[str], Socket], live_acme: Tenant, visitor: Visitor, tab: Socket
) -> None:
    zoe, abe = console("Zoe"), console("Abe")
    for agent in (zoe, abe):
        agent.ask("subscribe", conversation=visitor.conversation)
    with inside(live_acme):
        User.objects.filter(agent__name="Zoe").update(is_active=False)
    over = threading.Event()
    typing = threading.Thread(target=_type_until, args=(over, visitor, tab))
    typing.start()
    try:
        assert zoe.closed() == 4001
    finally:
        over.set()
        typing.join()
    assert abe.ask("note", conversation=visitor.conversation, text="still here")["type"] == "ack"


def _type_until(over: threading.Event, visitor: Visitor, tab: Socket) -> None:
    for _time in range(60):
        if over.wait(0.2):
            return
        tab.send("typing", conversation=visitor.conversation)


def _ping_until_closed(socket: Socket) -> None:
    closed = threading.Event()
    while not closed.wait(0.2):
        try:
            socket.send("ping")
        except ConnectionClosed:
            closed.set()


def test_it_closes_a_socket_that_never_says_hello(silent: Socket) -> None:
    assert silent.closed() == 4001
