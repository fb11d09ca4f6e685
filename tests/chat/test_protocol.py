"""PROTOCOL.md from outside: real sockets to a real web process, answers from a real worker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import InvalidStatus

from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import PATIENCE, Place, Socket, Visitor, agent_socket, of
from tests.chat.conftest import login
from tests.conftest import make_agent
from tests.model_server import ModelServer

pytestmark = pytest.mark.product

Console = Callable[[str], Socket]
POLICY = "你们的退货政策是什么？"
STREAMED = "电饭煲坏了能换吗 [says:可以换，|来回运费|我们出。]"
ENDLESS = "电饭煲坏了能换吗 [endless]"


def bots(socket: Socket) -> list[str]:
    return [frame["text"] for frame in socket.all("message") if frame["sender"]["kind"] == "bot"]


# --- Asking -----------------------------------------------------------------------------------------------------------


def test_it_welcomes_acknowledges_and_answers(visitor: Visitor, tab: Socket) -> None:
    welcome = tab.frames[0]
    assert (welcome["type"], welcome["protocol"], welcome["messages"]) == ("welcome", 1, [])
    assert welcome["conversations"][0]["conversation"] == visitor.conversation
    ack = visitor.say(tab, POLICY)
    assert (ack["type"], ack["seq"], ack["conversation"]) == ("ack", 1, visitor.conversation)
    tab.expect(of("bot"))
    asked, answered = tab.all("message")
    assert (asked["seq"], asked["client_id"], asked["ai"]) == (1, ack["id"], False)
    assert (answered["seq"], answered["text"], answered["mode"], answered["ai"]) == (
        2,
        "七天无理由退货。",
        "verbatim",
        True,
    )
    assert [source["title"] for source in answered["sources"]] == ["售后政策"]


def test_it_streams_an_answer_and_commits_it(visitor: Visitor, tab: Socket, model: ModelServer) -> None:
    visitor.say(tab, STREAMED)
    start = tab.expect("answer.start")
    end = tab.expect("answer.end")
    message = tab.expect("message", stream=start["stream"])
    deltas = tab.all("answer.delta")
    assert end["reason"] == "done"
    assert [delta["n"] for delta in deltas] == list(range(len(deltas)))
    assert "".join(delta["text"] for delta in deltas) == message["text"] == "可以换，来回运费我们出。"
    assert {frame["stream"] for frame in (end, *deltas)} == {start["stream"]}
    assert (message["mode"], message["seq"]) == ("generated", 2)
    assert visitor.history()[1]["messages"][-1] == message


def test_it_gives_a_resend_the_same_number_on_every_way(visitor: Visitor, tab: Socket) -> None:
    first = visitor.say(tab, POLICY, id="same")
    with visitor.socket() as other:
        again = visitor.say(other, POLICY, id="same")
    status, posted = visitor.post("something else", "same")
    assert status == 200
    assert first == again == posted
    assert [frame["seq"] for frame in visitor.history()[1]["messages"]] == [1, 2]


def test_it_answers_many_resends_at_once_with_one_message(visitor: Visitor) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: visitor.post(POLICY, "same"), range(8)))
    assert {(status, body["seq"]) for status, body in answers} == {(200, 1)}
    assert len(visitor.history()[1]["messages"]) == 2


def test_it_stops_an_answer_when_the_visitor_asks(visitor: Visitor, tab: Socket, model: ModelServer) -> None:
    visitor.say(tab, ENDLESS)
    tab.expect("answer.delta")
    assert tab.ask("answer.stop", conversation=visitor.conversation)["type"] == "ack"
    assert tab.expect("answer.end")["reason"] == "stopped"
    assert model.requests[-1].left.wait(PATIENCE)
    assert bots(tab) == []


def test_it_refuses_forbidden_words_and_keeps_none_of_them(visitor: Visitor, tab: Socket) -> None:
    visitor.say(tab, "哪里有迷 药卖")
    assert tab.expect(of("bot"))["mode"] == "refusal"
    visitor.say(tab, POLICY)
    assert tab.expect(of("bot"))["mode"] == "verbatim"
    assert "迷" not in json.dumps(visitor.history()[1], ensure_ascii=False)


# --- Coming back ------------------------------------------------------------------------------------------------------


def test_it_goes_on_from_the_last_message_seen(visitor: Visitor, tab: Socket) -> None:
    for number in range(3):
        visitor.say(tab, POLICY, id=f"q{number}")
    tab.expect("message", seq=6)  # every bell has rung: none is on its way to the next socket
    with visitor.socket(after=4) as back:
        assert [frame["seq"] for frame in back.frames[0]["messages"]] == [5, 6]
        assert back.ask("resync", conversation=visitor.conversation, after=2)["type"] == "ack"
        assert [frame["seq"] for frame in back.all("message")] == [3, 4, 5, 6]
    again = Visitor(visitor.place, token=visitor.token)
    assert (again.conversation, again.session["conversation"]["seq"]) == (visitor.conversation, 6)


def test_it_tells_what_happened_in_another_tab(visitor: Visitor, tab: Socket) -> None:
    with visitor.socket() as other:
        visitor.say(other, POLICY)
    tab.expect("message", seq=2)
    assert [frame["seq"] for frame in tab.all("message")] == [1, 2]


def test_it_pages_the_history(visitor: Visitor, tab: Socket) -> None:
    for number in range(3):
        visitor.say(tab, POLICY, id=f"q{number}")
    status, page = visitor.history("?after=1&limit=2")
    assert (status, [frame["seq"] for frame in page["messages"]], page["more"]) == (200, [2, 3], True)
    status, page = visitor.history("?after=5&limit=999999")
    assert (status, [frame["seq"] for frame in page["messages"]], page["more"]) == (200, [6], False)
    assert visitor.history(f"?after={10**30}")[1] == {"messages": [], "more": False}


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_it_shows_a_conversation_to_nobody_else(visitor: Visitor, tab: Socket, globex_place: Place) -> None:
    visitor.say(tab, POLICY)
    victor, gina = Visitor(visitor.place), Visitor(globex_place)
    unknown = visitor.place.request(
        "GET", f"/api/v1/conversations/{uuid.uuid4()}/messages", **victor.credentials
    )
    assert visitor.history(**victor.credentials) == unknown
    assert unknown[0] == 404
    assert visitor.history(Authorization="")[0] == visitor.history(**gina.credentials)[0] == 401
    assert visitor.post("I am Vera", "x1", **victor.credentials)[0] == 404
    assert (
        visitor.post("I am Vera", "x1", **gina.credentials)[0]
        == visitor.post("me", "x1", Authorization="Bearer x")[0]
        == 401
    )
    path = f"/api/v1/conversations/{visitor.conversation}/messages"
    assert globex_place.request("GET", path, **gina.credentials)[0] == 404
    with victor.socket() as socket:
        for kind, fields in (
            ("message.send", {"text": "hi"}),
            ("resync", {"after": 0}),
            ("agent.request", {}),
        ):
            error = socket.ask(kind, conversation=visitor.conversation, **fields)
            assert (error["type"], error["code"]) == ("error", "not_found")
    assert len(visitor.history()[1]["messages"]) == 2


def test_it_closes_on_bad_credentials(acme_place: Place, globex_place: Place, live_globex: Tenant) -> None:
    for token in ("", "forged", "a:b:c", "\u0000", Visitor(globex_place).token):
        socket = Socket(acme_place, "/ws/v1/visitor")
        socket.send("hello", token=token)
        assert socket.closed() == 4001
    with inside(live_globex):
        key = login(live_globex, make_agent("Gus"))
    for cookie in ("", "sessionid=", "sessionid=forged", f"sessionid={key}"):
        socket = Socket(acme_place, "/ws/v1/agent", origin=acme_place.origin, Cookie=cookie)
        socket.send("hello")
        assert socket.closed() == 4001


@pytest.mark.parametrize("path", ["/ws/v1/visitor", "/ws/v1/agent"])
def test_it_refuses_pages_of_other_origins(acme_place: Place, globex_place: Place, path: str) -> None:
    strangers = (
        "null",
        "http://evil.example",
        f"{acme_place.origin}.evil.example",
        "http://[",
        globex_place.origin,
    )
    for origin in strangers:
        socket = Socket(acme_place, path, origin=origin)
        assert socket.closed() == 4003
        assert socket.frames == []


def test_it_serves_no_console_without_an_origin(acme_place: Place) -> None:
    assert Socket(acme_place, "/ws/v1/agent").closed() == 4003


def test_it_turns_away_sockets_of_hosts_that_are_nobodys(port: int) -> None:
    for host in ("evil.example", "localhost"):
        with pytest.raises(InvalidStatus, match="403"):
            Socket(Place(host, port), "/ws/v1/visitor")


def test_it_keeps_two_tenants_apart_among_many_requests(
    visitor: Visitor, tab: Socket, globex_place: Place
) -> None:
    """H08 over HTTP: sync views share threads, and each must read its own schema."""
    visitor.say(tab, POLICY)
    gina = Visitor(globex_place)
    with ThreadPoolExecutor(16) as pool:
        pages = list(pool.map(lambda number: (visitor, gina)[number % 2].history(), range(120)))
    assert {(status, len(page["messages"])) for status, page in pages[::2]} == {(200, 2)}
    assert {(status, len(page["messages"])) for status, page in pages[1::2]} == {(200, 0)}


def test_it_answers_the_neighbour_nothing_of_acmes(globex_place: Place) -> None:
    gina = Visitor(globex_place)
    with gina.socket() as socket:
        gina.say(socket, POLICY)
        message = socket.expect(of("bot"))
    assert message["mode"] == "unknown"
    assert "七天" not in json.dumps(socket.frames, ensure_ascii=False)


# --- A person ---------------------------------------------------------------------------------------------------------


def test_it_lets_a_person_take_over_mid_stream(
    visitor: Visitor, tab: Socket, console: Console, model: ModelServer
) -> None:
    ann = console("Ann")
    ann.ask("subscribe", conversation=visitor.conversation)
    visitor.say(tab, ENDLESS)
    tab.expect("answer.delta")
    assert ann.ask("conversation.take_over", conversation=visitor.conversation)["type"] == "ack"
    assert tab.expect("answer.end")["reason"] == "taken_over"
    assert tab.expect("conversation")["state"] == "agent"
    assert model.requests[-1].left.wait(
        PATIENCE
    )  # the worker has let go: whatever it would say, it would have said
    assert ann.ask("message.send", conversation=visitor.conversation, text="I am Ann.")["type"] == "ack"
    tab.expect(of("agent"), text="I am Ann.")
    kinds = [frame["type"] for frame in tab.frames]
    after = kinds[kinds.index("answer.end") :]
    assert [kind for kind in after if kind.startswith("answer")] == ["answer.end"]
    assert bots(tab) == []


def test_it_queues_takes_over_talks_hands_back_and_closes(
    visitor: Visitor, tab: Socket, console: Console
) -> None:
    ann = console("Ann")
    assert tab.ask("agent.request", conversation=visitor.conversation, reason="please")["type"] == "ack"
    waiting = tab.expect("conversation", state="waiting")
    assert waiting["queue"]["position"] >= 1
    called = ann.expect("conversation", conversation=visitor.conversation)
    assert (called["reason"], called["visitor"]["name"]) == ("please", visitor.session["visitor"]["name"])
    visitor.say(tab, POLICY)
    bob = console("Bob")
    assert visitor.conversation in [row["conversation"] for row in bob.frames[0]["conversations"]]

    assert ann.ask("conversation.take_over", conversation=visitor.conversation)["type"] == "ack"
    lost = bob.ask("conversation.take_over", conversation=visitor.conversation)
    assert (lost["code"], lost["agent"]["name"]) == ("already_taken", "Ann")
    assert tab.expect("conversation", state="agent")["agent"]["name"] == "Ann"
    ann.ask("message.send", conversation=visitor.conversation, text="Hello!")
    assert tab.expect(of("agent"))["sender"]["name"] == "Ann"
    assert (
        bob.ask("message.send", conversation=visitor.conversation, text="Me too!")["code"] == "already_taken"
    )

    assert ann.ask("conversation.hand_back", conversation=visitor.conversation)["type"] == "ack"
    assert tab.expect("conversation", state="bot")["agent"] is None
    visitor.say(tab, POLICY)
    assert tab.expect(of("bot"))["text"] == "七天无理由退货。"
    assert len(bots(tab)) == 1  # and none while a person was called or there

    assert tab.ask("conversation.end", conversation=visitor.conversation)["type"] == "ack"
    tab.expect("conversation", state="closed")
    assert visitor.say(tab, "one more thing")["code"] == "wrong_state"
    assert Visitor(visitor.place, token=visitor.token).conversation != visitor.conversation
    seqs = [frame["seq"] for frame in visitor.history()[1]["messages"]]
    assert seqs == list(range(1, len(seqs) + 1))


def test_it_passes_typing_and_reading_to_the_other_side_only(
    visitor: Visitor, tab: Socket, console: Console
) -> None:
    ann = console("Ann")
    ann.ask("conversation.take_over", conversation=visitor.conversation)
    assert ann.ask("note", conversation=visitor.conversation, text="a regular")["type"] == "ack"
    ann.send("typing", conversation=visitor.conversation)
    assert ann.expect("error")["code"] == "forbidden"  # not before she looks at it
    ann.ask("subscribe", conversation=visitor.conversation)
    ack = visitor.say(tab, "hello?")
    tab.send("typing", conversation=visitor.conversation, text="secret preview")
    assert ann.expect("typing")["sender"]["kind"] == "visitor"
    ann.send("read", conversation=visitor.conversation, seq=ack["seq"])
    ann.send("typing", conversation=visitor.conversation)
    assert tab.expect("read")["seq"] == ack["seq"]
    assert tab.expect("typing")["sender"] == {
        "kind": "agent",
        "id": ann.frames[0]["agent"]["id"],
        "name": "Ann",
    }
    ann.ask("message.send", conversation=visitor.conversation, text="done")
    for socket in (tab, ann):
        socket.expect(of("agent"), text="done")
        assert len(socket.all("typing")) == 1
    assert tab.all("note") == [] and "a regular" not in json.dumps(tab.frames)
    assert ann.all("read") == [] and "secret preview" not in json.dumps(ann.frames)


def test_it_tells_the_neighbours_agents_nothing(
    visitor: Visitor, tab: Socket, globex_place: Place, live_globex: Tenant
) -> None:
    with inside(live_globex):
        key = login(live_globex, make_agent("Gus"))
    with agent_socket(globex_place, key) as gus:
        for kind in ("subscribe", "conversation.take_over", "conversation.end", "conversation.hand_back"):
            assert gus.ask(kind, conversation=visitor.conversation)["code"] == "not_found"
        tab.ask("agent.request", conversation=visitor.conversation)
        gus.ask("presence", state="busy")
        gus.expect("presence")
        assert visitor.conversation not in json.dumps(gus.frames)
