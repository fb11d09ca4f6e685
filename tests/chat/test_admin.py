"""Conversations are read, not changed; agents are made together with their logins."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from chat.models import Agent, Attachment, Case, Conversation, Message, Team
from inference.models import Intent
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, browser
from tests.chat.test_attachments import a_file
from tests.conftest import Chat


@pytest.fixture
def client(acme: Tenant) -> Client:
    return administrator(acme)


@pytest.fixture
def said(vera: Chat) -> Chat:
    path = {"steps": [{"step": "detect_intent", "ms": 0.5, "intent": "returns", "confidence": 0.97}]}
    rows = vera.conversation.messages
    rows.create(seq=1, sender_kind=Message.Sender.VISITOR, sender_name="Vera", text="能退吗 <b>x</b>")
    rows.create(
        seq=2,
        sender_kind=Message.Sender.BOT,
        text="可以",
        mode="verbatim",
        path=path,
        sources=[{"title": "退货政策", "url": "/help/returns", "quote": "**七天**内 <b>x</b>"}],
    )
    Conversation.objects.filter(pk=vera.conversation.pk).update(last_seq=2)
    return vera


def test_it_shows_what_was_said_and_how_each_answer_was_made(client: Client, said: Chat) -> None:
    page = client.get(f"/admin/chat/conversation/{said.conversation.pk}/change/").content.decode()
    for shown in (
        "能退吗",
        "退货政策",
        "detect_intent",
        "Recognised intent",
        "returns",
        "0.97",
        "approved entry",
    ):
        assert shown in page
    assert "<b>x</b>" not in page
    assert "七天内 &lt;b&gt;x&lt;/b&gt;" in page and "**" not in page.split("kefu-thread")[1]


def test_it_shows_what_a_model_looked_up_and_nothing_of_what_it_found(client: Client, said: Chat) -> None:
    calls = [
        {"connector": "order", "result": "found", "ms": 12},
        {"connector": "refund", "result": "resting", "ms": 0},
        {"connector": "", "result": "no such look-up", "ms": 0},
    ]
    path = {"steps": [{"step": "ask_model", "ms": 900.0, "calls": calls}]}
    said.conversation.messages.filter(seq=2).update(path=path)
    page = client.get(f"/admin/chat/conversation/{said.conversation.pk}/change/").content.decode()
    assert "order found (12 ms); refund left alone (0 ms); no such look-up (0 ms)" in page


def test_it_shows_files_to_who_may_see_conversations_and_to_nobody_else(
    client: Client, said: Chat, globex: Tenant
) -> None:
    file = a_file(said, name="发票 <b>.png")
    unsent = a_file(said)
    message = said.conversation.messages.get(seq=1)
    message.attachments = [file.as_dict()]
    message.save()
    Attachment.objects.filter(pk=file.pk).update(message=message)
    address = f"/admin/chat/conversation/{said.conversation.pk}"
    page = client.get(f"{address}/change/").content.decode()
    assert f"{address}/files/{file.pk}/" in page and "发票 &lt;b&gt;.png" in page
    with inside(said.tenant):
        staff = User.objects.create_user("staff", is_staff=True)
    assert browser(said.tenant, staff).get(f"{address}/files/{file.pk}/").status_code == 403
    assert browser(said.tenant).get(f"{address}/files/{file.pk}/").status_code == 302
    assert administrator(globex).get(f"{address}/files/{file.pk}/").status_code == 404
    assert client.get(f"{address}/files/{unsent.pk}/").status_code == 404


def test_it_changes_no_conversation(client: Client, said: Chat) -> None:
    address = f"/admin/chat/conversation/{said.conversation.pk}"
    assert client.post(f"{address}/change/", {"state": "closed"}).status_code == 403
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/chat/conversation/add/").status_code == 403
    assert said.now().state == "bot"


@pytest.mark.parametrize("words", ["能退吗", "Vera is not her name", "C261122-{case}"])
def test_it_finds_a_conversation_by_what_was_said_or_its_case(client: Client, said: Chat, words: str) -> None:
    case = Case.objects.create(conversation=said.conversation, text="慢")
    page = client.get(
        "/admin/chat/conversation/", {"q": words.format(case=f"{case.pk:04d}")}
    ).content.decode()
    assert (str(said.conversation.pk) in page) == (not words.startswith("Vera"))


def test_it_shows_nothing_of_it_to_another_tenant(said: Chat, globex: Tenant) -> None:
    gus = administrator(globex)
    assert gus.get(f"/admin/chat/conversation/{said.conversation.pk}/change/").status_code == 302
    assert "能退吗" not in gus.get("/admin/chat/conversation/").content.decode()


def test_it_settles_complaints(client: Client, said: Chat) -> None:
    case = Case.objects.create(conversation=said.conversation, text="慢")
    client.post("/admin/chat/case/", {"action": "settle", "_selected_action": [case.pk]})
    case.refresh_from_db()
    assert case.is_settled


def test_it_settles_nothing_for_who_may_only_look(acme: Tenant, said: Chat) -> None:
    mia = User.objects.create_user("mia", is_staff=True)
    mia.user_permissions.set(Permission.objects.filter(codename="view_case"))
    case = Case.objects.create(conversation=said.conversation, text="慢")
    browser(acme, mia).post("/admin/chat/case/", {"action": "settle", "_selected_action": [case.pk]})
    with inside(acme):
        assert not Case.objects.get().is_settled


ADD = "/admin/chat/agent/add/"
LIN = {"name": "林悦", "limit": "5", "username": "lin", "password": "quite-long-99", "is_active": "on"}


def test_it_makes_an_agent_who_can_log_in_to_the_console(client: Client, acme: Tenant) -> None:
    response = client.post(ADD, LIN)
    assert response.status_code == 302, response.context["errors"]
    with inside(acme):
        lin = Agent.objects.get()
        assert lin.user.check_password("quite-long-99") and not lin.user.is_staff
    login = browser(acme).post("/console/login/", {"username": "lin", "password": "quite-long-99"})
    assert login.status_code == 302


@pytest.mark.parametrize(
    "wrong", [{"password": ""}, {"password": "12345678"}, {"username": "a b"}, {"name": ""}]
)
def test_it_refuses_an_agent_without_a_proper_login(
    client: Client, acme: Tenant, wrong: dict[str, str]
) -> None:
    assert client.post(ADD, LIN | wrong).status_code == 200
    with inside(acme):
        assert not Agent.objects.exists() and not User.objects.filter(username="lin").exists()


def test_it_keeps_the_password_when_none_is_typed_and_deactivates(
    client: Client, acme: Tenant, ann: Agent
) -> None:
    typed = {"name": "安", "limit": "5", "username": ann.user.username, "password": ""}
    assert client.post(f"/admin/chat/agent/{ann.pk}/change/", typed).status_code == 302
    login = User.objects.get(pk=ann.user_id)
    assert login.check_password("Ann") and not login.is_active


def test_it_gives_nobody_an_administrators_login(acme: Tenant, in_acme: Tenant) -> None:
    root = User.objects.create_superuser("boss", password="his-own-words")
    mia = User.objects.create_user("mia", is_staff=True)
    mia.user_permissions.set(Permission.objects.filter(content_type__app_label="chat"))
    client = browser(acme, mia)
    assert client.post(ADD, LIN | {"username": "boss"}).status_code == 200
    assert client.post(ADD, LIN | {"username": "boss", "password": ""}).status_code == 302
    root.refresh_from_db()
    assert root.check_password("his-own-words")


def test_it_says_which_visitors_come_to_an_agent(client: Client, acme: Tenant, ann: Agent) -> None:
    with inside(acme):
        team = Team.objects.create(name="投诉专席")
    typed = {
        "name": "安",
        "limit": "3",
        "languages": ["en"],
        "teams": [team.pk],
        "username": ann.user.username,
    }
    page = f"/admin/chat/agent/{ann.pk}/change/"
    assert client.post(page, typed | {"is_active": "on"}).status_code == 302
    with inside(acme):
        saved = Agent.objects.get(pk=ann.pk)
        assert (saved.limit, saved.languages, list(saved.teams.all())) == (3, ["en"], [team])
    shown = client.get("/admin/chat/agent/").content.decode()
    for word in ("0 / 3", "投诉专席", "English", "Online"):
        assert word in shown
    assert "checked" in client.get(page).content.decode().split("投诉专席")[0].rsplit("<input", 1)[1]


@pytest.mark.parametrize("wrong", [{"limit": ""}, {"limit": "-1"}, {"limit": "101"}, {"languages": ["xx"]}])
def test_it_refuses_what_no_agent_can_have(
    client: Client, acme: Tenant, ann: Agent, wrong: dict[str, Any]
) -> None:
    typed = {"name": "安", "limit": "3", "username": ann.user.username, "is_active": "on"}
    assert client.post(f"/admin/chat/agent/{ann.pk}/change/", typed | wrong).status_code == 200
    with inside(acme):
        assert Agent.objects.get(pk=ann.pk).name == "Ann"


def test_it_shows_a_closed_console_whatever_the_agent_chose(client: Client, acme: Tenant, ann: Agent) -> None:
    with inside(acme):
        Agent.objects.update(seen_at=None)
    assert "Console closed" in client.get("/admin/chat/agent/").content.decode()


def test_it_makes_a_team(client: Client, acme: Tenant, globex: Tenant, ann: Agent) -> None:
    with inside(acme):
        intent = Intent.objects.create(name="complain", title="投诉")
    typed = {"name": "投诉专席", "members": [ann.pk], "intents": [intent.pk]}
    assert client.post("/admin/chat/team/add/", typed).status_code == 302
    shown = client.get("/admin/chat/team/").content.decode()
    assert "投诉专席" in shown and "Ann" in shown
    assert client.post("/admin/chat/team/add/", typed).status_code == 200  # the name is taken
    assert "投诉专席" not in administrator(globex).get("/admin/chat/team/").content.decode()
    with inside(acme):
        team = Team.objects.get()
        assert (list(team.members.all()), list(team.intents.all())) == ([ann], [intent])
