"""What a console reads over HTTP, and who else does not get it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat import actions
from chat.models import Agent, CannedReply
from inference.turn import Answer
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.test_ownership import send
from tests.conftest import Chat, make_agent, open_chat


class Console:
    """A logged-in browser; each request finds its own way into the tenant's schema, and the test goes back to Acme's."""

    def __init__(self, tenant: Tenant, agent: Agent) -> None:
        self.tenant = tenant
        self.client = Client(HTTP_HOST=f"{tenant.schema_name}.localhost")
        with inside(tenant):
            self.client.force_login(agent.user)

    def get(self, path: str) -> tuple[int, Any]:
        with inside(self.tenant):
            response = self.client.get(f"/api/v1/{path}")
        return response.status_code, response.json()

    def listed(self, name: str) -> list[str]:
        return [row["conversation"] for row in self.get(f"conversations?list={name}")[1]["conversations"]]


@pytest.fixture
def console(in_acme: Tenant, ann: Agent) -> Console:
    return Console(in_acme, ann)


def a_chat(tenant: Tenant, said: str = "hello") -> Chat:
    chat = open_chat(tenant)
    send(chat, "one", said, Answer("hi", "reply"))
    return chat


def test_it_files_conversations_by_who_has_them(console: Console, ann: Agent, bob: Agent) -> None:
    with_bot, waiting, anns, bobs, closed = chats = [a_chat(console.tenant) for _ in range(5)]
    for chat in (waiting, anns, bobs):
        actions.request_agent(chat.visitor.pk, chat.conversation.pk, "please")
    actions.take_over(ann, anns.conversation.pk)
    actions.take_over(bob, bobs.conversation.pk)
    actions.end_as_visitor(closed.visitor.pk, closed.conversation.pk)
    ids = [str(chat.conversation.pk) for chat in chats]
    assert console.listed("mine") == [ids[2]]
    assert console.listed("waiting") == [ids[1]]
    assert sorted(console.listed("all")) == sorted(ids[:4])
    assert str(with_bot.conversation.pk) in console.listed("all")


def test_it_shows_an_agent_how_a_conversation_stands(console: Console, ann: Agent) -> None:
    chat = a_chat(console.tenant, "where is it?")
    actions.request_agent(chat.visitor.pk, chat.conversation.pk, "please")
    actions.write_note(ann, chat.conversation.pk, "a regular")
    status, state = console.get(f"conversations/{chat.conversation.pk}")
    assert (status, state["state"], state["reason"], state["unread"]) == (200, "waiting", "please", 1)
    assert (state["last"]["text"], state["last"]["sender"]["kind"]) == ("where is it?", "visitor")
    assert state["visitor"]["name"] == chat.visitor.name
    notes = console.get(f"conversations/{chat.conversation.pk}/notes")[1]["notes"]
    assert [(note["n"], note["text"], note["sender"]["name"]) for note in notes] == [(1, "a regular", "Ann")]
    history = console.get(f"conversations/{chat.conversation.pk}/messages")[1]["messages"]
    assert [message["text"] for message in history][:2] == ["where is it?", "hi"]
    of_visitor = console.get(f"visitors/{chat.visitor.pk}/conversations")[1]["conversations"]
    assert [row["conversation"] for row in of_visitor] == [str(chat.conversation.pk)]


def test_it_lists_with_as_many_queries_for_ten_as_for_two(console: Console) -> None:
    counts = []
    for more in (2, 8):
        for _ in range(more):
            a_chat(console.tenant)
        with CaptureQueriesContext(connection) as queries:
            console.listed("all")
        counts.append(sum("chat_" in query["sql"] for query in queries))
    assert counts[0] == counts[1]


def test_it_tells_who_is_there_and_what_they_often_say(console: Console, bob: Agent) -> None:
    CannedReply.objects.create(shortcut="hi", title="Hello", text="Hello {name} {{7*7}}")
    assert console.get("me")[1]["name"] == "Ann"
    assert {row["name"] for row in console.get("agents")[1]["agents"]} >= {"Ann", "Bob"}
    assert console.get("canned-replies")[1]["replies"] == [
        {"shortcut": "hi", "title": "Hello", "text": "Hello {name} {{7*7}}"}
    ]


PATHS = (
    "me",
    "agents",
    "conversations",
    "canned-replies",
    "conversations/{}",
    "conversations/{}/notes",
    "conversations/{}/messages",
)


def test_it_tells_nobody_who_is_not_logged_in(console: Console) -> None:
    chat = a_chat(console.tenant)
    stranger = Client(HTTP_HOST="acme.localhost")
    for path in PATHS:
        response = stranger.get("/api/v1/" + path.format(chat.conversation.pk))
        assert (response.status_code, response.json()["code"]) == (401, "forbidden"), path
        assert response["Content-Type"].startswith("application/problem+json")


def test_it_tells_no_login_without_a_seat_and_none_that_was_ended(console: Console, ann: Agent) -> None:
    ann.user.is_active = False
    ann.user.save()
    assert console.get("me")[0] == 401


def test_it_keeps_the_neighbours_agents_out(console: Console, globex: Tenant) -> None:
    chat = a_chat(console.tenant)
    with inside(globex):
        gus = make_agent("Gus")
    neighbour = Console(globex, gus)
    for path in PATHS[4:]:
        theirs = neighbour.get(path.format(chat.conversation.pk))
        assert theirs == neighbour.get(path.format(uuid.uuid4()))
        assert theirs[0] == 404
    assert neighbour.listed("all") == []
    assert neighbour.get(f"visitors/{chat.visitor.pk}/conversations")[1] == {"conversations": []}
    # A cookie of one company is nobody's at the other.
    neighbour.client.defaults["HTTP_HOST"] = "acme.localhost"
    assert neighbour.get("me")[0] == 401


def test_it_answers_a_body_that_is_no_json_with_a_problem(acme: Tenant) -> None:
    stranger = Client(HTTP_HOST="acme.localhost")
    response = stranger.post("/api/v1/visitor/sessions", "{", content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "bad_frame")
    assert response["Content-Type"] == "application/problem+json"
