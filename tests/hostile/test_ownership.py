"""H01, H02, H04, H05, H07, F30: what is somebody else's is not there, whatever one asks of it. From the tables of frames and of routes."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from django.contrib.sessions.models import Session
from django.core import signing

from chat import access, events
from chat.api import api
from chat.models import Conversation, Message, Note
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Frame, Place, Socket, Visitor
from tests.chat.files import png, upload
from tests.conftest import open_chat
from tests.hostile.conftest import HEAVY, key_of_agent

pytestmark = pytest.mark.product

Console = Callable[[Tenant, str], Socket]
NO_CREDENTIALS = 4001
A_SOCKET = 200  # frames that are sent on one: many more, and it is closed for sending so many
# What each frame needs beside a conversation and an id. A new kind of frame has no line here: the tests fail until it gets one.
EXAMPLES: dict[str, Frame] = {
    "hello": {},
    "ping": {},
    "typing": {},
    "read": {"seq": 1},
    "message.send": {"text": "mine now"},
    "resync": {"after": 0},
    "conversation.end": {},
    "agent.request": {"reason": "give it to me"},
    "answer.stop": {},
    "answer.again": {},
    "feedback": {"seq": 1, "score": -1},
    "rate": {"score": 1},
    "subscribe": {},
    "unsubscribe": {},
    "presence": {"state": "away"},
    "conversation.take_over": {},
    "conversation.hand_back": {},
    "conversation.transfer": {"agent": 1},
    "note": {"text": "mine now"},
}
EVERY = events.HELLO | events.VISITOR_FRAMES | events.AGENT_FRAMES


def about_a_conversation(kinds: dict[str, Any]) -> list[str]:
    return sorted(name for name, kind in kinds.items() if "conversation" in kind._type.model_fields)


def test_every_kind_of_frame_is_tried() -> None:
    assert set(EXAMPLES) == set(EVERY)


def answer(socket: Socket, name: str, conversation: str) -> Frame:
    """What is said to a frame, without what differs anyway."""
    socket.send(name, id=uuid.uuid4().hex, conversation=conversation, **EXAMPLES[name])
    return {key: value for key, value in socket.expect(is_answer).items() if key != "id"}


def is_answer(frame: Frame) -> bool:
    return frame["type"] in ("ack", "error")


def everything(tenant: Tenant, conversation: str) -> list[Any]:
    """What the database knows of it."""
    with inside(tenant):
        return [
            Conversation.objects.filter(pk=conversation).values().get(),
            *Message.objects.filter(conversation_id=conversation).order_by("seq").values(),
            *Note.objects.filter(conversation_id=conversation).order_by("n").values(),
        ]


@pytest.fixture
def tab(visitor: Visitor) -> Iterator[Socket]:
    """Vera's. She has said something, and no worker will answer it later."""
    with visitor.socket() as socket:
        visitor.say(socket, "a secret")
        socket.ask("answer.stop", conversation=visitor.conversation)
        yield socket


@pytest.fixture
def unchanged(visitor: Visitor, tab: Socket, live_acme: Tenant) -> Iterator[None]:
    """Vera's conversation is afterwards what it was before, and she has heard of nothing."""
    tab.send("ping", id="the-beginning")
    tab.expect("pong", id="the-beginning")
    before, heard = everything(live_acme, visitor.conversation), len(tab.frames)
    yield
    assert everything(live_acme, visitor.conversation) == before
    tab.send("ping", id="the-end")
    tab.expect("pong", id="the-end")
    said = [frame for frame in tab.frames[heard:] if frame.get("conversation") and frame["type"] != "message"]
    # A worker may have been about to answer her: that its stream is "done" is news of her own.
    said = [frame for frame in said if frame.get("reason") != "done"]
    assert [frame for frame in said if frame["type"] not in ("ack", "conversation")] == []
    assert "mine now" not in json.dumps(tab.frames)


@pytest.mark.parametrize("name", about_a_conversation(events.VISITOR_FRAMES))
def test_h05_another_visitor_is_told_of_a_conversation_what_is_told_of_none(
    visitor: Visitor, unchanged: None, name: str
) -> None:
    other = Visitor(visitor.place)
    with other.socket() as socket:
        foreign = answer(socket, name, visitor.conversation)
        assert foreign == answer(socket, name, str(uuid.uuid4()))
        assert (foreign["type"], foreign["code"]) == ("error", "not_found")


@pytest.mark.parametrize("name", about_a_conversation(events.AGENT_FRAMES))
def test_h01_the_neighbours_agent_is_told_of_a_conversation_what_is_told_of_none(
    visitor: Visitor, unchanged: None, live_globex: Tenant, console: Console, name: str
) -> None:
    gus = console(live_globex, "Gus")
    foreign = answer(gus, name, visitor.conversation)
    assert foreign == answer(gus, name, str(uuid.uuid4()))
    assert name == "unsubscribe" or foreign["code"] in ("not_found", "forbidden")


@pytest.mark.parametrize("path", ["/ws/v1/visitor", "/ws/v1/agent"])
def test_h07_nothing_is_done_before_hello(visitor: Visitor, unchanged: None, path: str) -> None:
    with Socket(visitor.place, path, origin=visitor.place.origin) as socket:
        for name in EVERY.keys() - events.HELLO.keys():
            assert answer(socket, name, visitor.conversation)["code"] == "unknown_type", name


def test_h07_a_visitor_has_no_agents_verbs(visitor: Visitor, tab: Socket, unchanged: None) -> None:
    for name in events.AGENT_FRAMES.keys() - events.VISITOR_FRAMES.keys():
        assert answer(tab, name, visitor.conversation)["code"] == "unknown_type", name


def test_h07_an_agent_has_no_visitors_verbs(
    visitor: Visitor, unchanged: None, live_acme: Tenant, console: Console
) -> None:
    bob = console(live_acme, "Bob")
    for name in events.VISITOR_FRAMES.keys() - events.AGENT_FRAMES.keys():
        assert answer(bob, name, visitor.conversation)["code"] == "unknown_type", name


# --- Credentials ------------------------------------------------------------------------------------------------------


def token_of(tenant: Tenant, seconds_ago: float = 0) -> str:
    with inside(tenant), mock.patch.object(signing.time, "time", return_value=time.time() - seconds_ago):
        return access.visitor_token(tenant, open_chat(tenant).visitor)


@pytest.mark.parametrize("kind", ["none", "nonsense", "number", "expired", "the neighbour's", "unsigned"])
def test_h07_a_visitor_without_a_good_token_hears_nothing(
    acme_place: Place, live_acme: Tenant, live_globex: Tenant, visitor: Visitor, kind: str
) -> None:
    payload, _dot, _rest = visitor.token.partition(":")
    tokens: dict[str, object] = {
        "none": "",
        "nonsense": "a:b:c",
        "number": visitor.session["visitor"]["id"],
        "expired": token_of(live_acme, access.TOKEN_AGE + 60),
        "the neighbour's": token_of(live_globex),
        "unsigned": payload,
    }
    with Socket(acme_place, "/ws/v1/visitor", origin=acme_place.origin) as socket:
        socket.send("hello", token=tokens[kind], after={visitor.conversation: 0})
        assert socket.closed() == NO_CREDENTIALS
        assert socket.frames == []


@pytest.mark.parametrize("kind", ["none", "nonsense", "logged out", "the neighbour's", "a visitor's token"])
def test_h07_an_agent_without_a_good_login_hears_nothing(
    acme_place: Place, live_acme: Tenant, live_globex: Tenant, visitor: Visitor, kind: str
) -> None:
    keys = {
        "none": "",
        "nonsense": "a" * 32,
        "logged out": key_of_agent(live_acme, "Al"),
        "the neighbour's": key_of_agent(live_globex, "Gus"),
        "a visitor's token": visitor.token,
    }
    with inside(live_acme):
        Session.objects.filter(pk=keys["logged out"]).delete()
    headers = {"Cookie": f"sessionid={keys[kind]}"} if keys[kind] else {}
    with Socket(acme_place, "/ws/v1/agent", origin=acme_place.origin, **headers) as socket:
        socket.send("hello", token=visitor.token, after={visitor.conversation: 0})
        assert socket.closed() == NO_CREDENTIALS
        assert socket.frames == []


# --- Over HTTP --------------------------------------------------------------------------------------------------------

OPERATIONS = sorted(
    (method, path)
    for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items()
    for method in methods
    if "{" in path
)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_h04_an_id_opens_nothing_over_http(
    acme_place: Place, globex_place: Place, live_acme: Tenant, live_globex: Tenant, visitor: Visitor, unchanged: None,
    method: str, path: str,
) -> None:  # fmt: skip
    """Whoever asks is told of Vera's what is told of what is not there."""
    gus = {"Cookie": f"sessionid={key_of_agent(live_globex, 'Gus')}"}
    strangers = [
        (acme_place, {}),
        (acme_place, Visitor(acme_place).credentials),
        (acme_place, Visitor(globex_place).credentials),
        (acme_place, gus),
        (globex_place, visitor.credentials),
        (globex_place, gus),
    ]
    ids = {
        "conversation": visitor.conversation,
        "visitor": visitor.session["visitor"]["id"],
        "attachment": upload(visitor, png()).json["id"],
    }
    for place, credentials in strangers:
        hers, nobodys = (
            place.request(
                method.upper(), path.format(**names), {"id": "x", "text": "mine now"}, **credentials
            )
            for names in (ids, dict.fromkeys(ids, str(uuid.uuid4())))
        )
        assert hers == nobodys
        assert hers[0] in (401, 403, 404) or hers[1] == {"conversations": []}


# --- F30: who was first -----------------------------------------------------------------------------------------------


def test_f30_of_two_agents_who_claim_a_conversation_at_once_one_gets_it_and_the_other_is_told(
    live_acme: Tenant, console: Console
) -> None:
    names = ["Ann", "Bob"]
    with inside(live_acme), ThreadPoolExecutor(2) as both:
        for round in range(1000 if HEAVY else 200):
            if round % A_SOCKET == 0:
                consoles = [console(live_acme, name) for name in names]
            chat = open_chat(live_acme)
            claims = [
                both.submit(socket.ask, "conversation.take_over", conversation=str(chat.conversation.pk))
                for socket in consoles
            ]
            answers = [claim.result() for claim in claims]
            assert sorted(said["type"] for said in answers) == ["ack", "error"]
            winner = names[[said["type"] for said in answers].index("ack")]
            lost = next(said for said in answers if said["type"] == "error")
            assert (lost["code"], lost["agent"]["name"]) == ("already_taken", winner)
            assert chat.now().agent.name == winner
            assert [message.text for message in chat.conversation.messages.all()] == [
                f"{winner} is now talking with you."
            ]
