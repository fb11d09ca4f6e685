"""The admin as a whole: who gets in, which pages stand, what they cost, what the browser is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.models import Agent, CannedReply, Case, Feedback, Message
from inference.models import Connector, Intent, IntentExample, IntentModel, Provider, SensitiveWord
from knowledge.models import Document, Entry, KnowledgeBase
from tenants.admin_sites import platform_site, tenant_site
from tenants.context import inside, outside
from tenants.models import Tenant
from tests.admin import administrator, browser
from tests.conftest import Chat

TENANT_PAGES = ["", "hit-test/", "hit-test/?q=退货", "test-sentence/?q=坏词", "embed/"]


@pytest.fixture
def filled(vera: Chat, ann: Agent) -> dict[type[Any], Any]:
    """One row of everything that Acme's admin shows."""
    base = KnowledgeBase.objects.create(name="帮助")
    connector = Connector.objects.create(name="order", query="SELECT 1", template="{a}")
    intent = Intent.objects.create(name="returns", title="退货", action="look_up", connector=connector)
    IntentExample.objects.create(intent=intent, text="我要退货")
    message = talk(vera, "怎么退货？", "不知道", mode="unknown")
    return {
        Entry: Entry.objects.create(base=base, question="怎么退货？", answer="七天内"),
        Document: Document.objects.create(base=base, title="退货", text="七天"),
        Intent: intent,
        IntentModel: IntentModel.objects.create(onnx=b"-", examples=1),
        SensitiveWord: SensitiveWord.objects.create(word="坏词"),
        Provider: Provider.objects.create(name="一", base_url="http://127.0.0.1:9/v1", model="m"),
        CannedReply: CannedReply.objects.create(shortcut="hi", title="问候", text="您好"),
        Case: Case.objects.create(conversation=vera.conversation, text="太慢了"),
        Feedback: Feedback.objects.create(message=message, score=-1),
    }


def talk(chat: Chat, question: str, answer: str, mode: str) -> Message:
    """A question, and the bot's answer to it."""
    seq = chat.conversation.messages.count()
    rows = chat.conversation.messages
    rows.create(seq=seq + 1, sender_kind=Message.Sender.VISITOR, sender_name="Vera", text=question)
    steps = [
        {
            "step": "retrieve_passages",
            "ms": 1.5,
            "passages": [{"kind": "entry", "id": 1, "title": "t", "score": 1}],
        }
    ]
    path = {"steps": steps}
    message = rows.create(seq=seq + 2, sender_kind=Message.Sender.BOT, text=answer, mode=mode, path=path)
    chat.conversation.last_seq = seq + 2
    chat.conversation.save()
    return message


def pages_of(site: Any) -> list[str]:
    """The address of every list, form and history that holds a row."""
    found = []
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        if row := model._default_manager.first():
            found += [reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_history", args=[row.pk])]
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_it_shows_every_page_to_a_tenants_administrator(acme: Tenant) -> None:
    client = administrator(acme)
    with inside(acme):
        addresses = [f"/admin/{page}" for page in TENANT_PAGES] + pages_of(tenant_site)
    wrong = {}
    for address in addresses:
        response = client.get(address, follow=True)
        if response.status_code not in {200, 403} or (response.status_code == 403 and "/add/" not in address):
            wrong[address] = response.status_code
    assert wrong == {}


@pytest.mark.django_db
def test_it_shows_every_page_to_the_platforms_administrator(acme: Tenant) -> None:
    client = administrator(Tenant.objects.get(schema_name="public"))
    with outside():
        addresses = [
            address.removeprefix("http://localhost")
            for address in [
                "/admin/",
                "/admin/tenants/tenant/",
                "/admin/tenants/tenant/add/",
                "/admin/auth/user/",
            ]
        ]
    assert [client.get(address).status_code for address in addresses] == [200] * 4
    assert client.get(f"/admin/tenants/tenant/{acme.pk}/change/").status_code == 200
    assert "acme.localhost" in client.get("/admin/tenants/tenant/").content.decode()


def test_it_has_no_page_of_the_other_face(acme: Tenant) -> None:
    with outside():
        platform = administrator(Tenant.objects.get(schema_name="public"))
    assert administrator(acme).get("/admin/tenants/tenant/").status_code == 404
    assert platform.get("/admin/chat/conversation/").status_code == 404
    assert Tenant in platform_site._registry and Tenant not in tenant_site._registry


@pytest.mark.parametrize("page", ["", "knowledge/entry/", "hit-test/", "embed/", "inference/provider/add/"])
def test_it_sends_strangers_and_agents_to_the_login(acme: Tenant, ann: Agent, page: str) -> None:
    for client in (browser(acme), browser(acme, ann.user)):
        response = client.get(f"/admin/{page}")
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


def test_it_knows_no_administrator_of_another_tenant(acme: Tenant, globex: Tenant) -> None:
    gus = administrator(globex)
    assert gus.get("/admin/").status_code == 200
    gus.defaults["HTTP_HOST"] = "acme.localhost"
    assert gus.get("/admin/").status_code == 302
    assert "overseer" not in gus.get("/admin/", follow=True).content.decode()


def test_it_logs_in_to_the_admin_and_not_to_the_console(acme: Tenant) -> None:
    with inside(acme):
        User.objects.create_user("mia", password="long-enough-7", is_staff=True)
    client = browser(acme)
    form = client.get("/admin/login/", follow=True)
    typed = {"username": "mia", "password": "long-enough-7"}
    response = client.post(form.redirect_chain[-1][0], typed)
    assert (response.status_code, response["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_it_logs_in_to_the_admin_wherever_a_link_would_lead(acme: Tenant, elsewhere: str) -> None:
    platform = Tenant.objects.get(schema_name="public")
    for tenant in (acme, platform):
        response = browser(tenant).get("/admin/login/", {"next": elsewhere})
        assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/")


def test_it_stays_logged_in_when_it_looks_at_a_console_without_a_seat_there(acme: Tenant) -> None:
    client = administrator(acme)
    assert client.get("/console/")["Location"] == "/console/login/"
    assert client.get("/admin/").status_code == 200


def test_it_shows_staff_only_what_they_may_see(acme: Tenant) -> None:
    with inside(acme):
        mia = User.objects.create_user("mia", is_staff=True)
    client = browser(acme, mia)
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "/admin/inference/provider/" not in page.content.decode()
    assert client.get("/admin/hit-test/").status_code == 403
    assert client.get("/admin/inference/provider/").status_code == 403


def test_it_allows_no_inline_script_and_compiles_only_under_the_admin(acme: Tenant) -> None:
    client = administrator(acme)
    policy = client.get("/admin/")["Content-Security-Policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "'unsafe-eval'" in scripts and "'unsafe-inline'" not in scripts
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in client.get("/console/login/")["Content-Security-Policy"]


@pytest.mark.parametrize(
    "page",
    [
        "",
        "chat/conversation/",
        "knowledge/entry/",
        "inference/intent/",
        "chat/case/",
        "chat/feedback/",
        "knowledge/document/",
    ],
)
def test_it_asks_the_database_no_more_for_more_rows(
    acme: Tenant, filled: dict[type[Any], Any], vera: Chat, page: str
) -> None:
    client = administrator(acme)
    client.get(f"/admin/{page}")
    before = queries(client, page)
    with inside(acme):
        add_more(vera, filled)
    assert queries(client, page) == before


def queries(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/admin/{page}").status_code == 200
    # Not those by which the process reads again, every two seconds, who its tenants are.
    statements = [one["sql"] for one in captured.captured_queries]
    return len([sql for sql in statements if not sql.startswith("SET ") and '"tenants_' not in sql])


def add_more(chat: Chat, filled: dict[type[Any], Any]) -> None:
    from tests.conftest import open_chat

    base = filled[Entry].base
    for number in range(4):
        Entry.objects.create(base=base, question=f"问题 {number}", answer="答")
        Document.objects.create(base=base, title=f"文件 {number}", text="文")
        intent = Intent.objects.create(name=f"more-{number}", title="多")
        IntentExample.objects.create(intent=intent, text="多")
        other = open_chat(chat.tenant)
        message = talk(other, "还有呢？", "不知道", mode="unknown")
        Feedback.objects.create(message=message, score=1)
        Case.objects.create(conversation=other.conversation, text="慢")


def test_it_offers_what_the_bot_did_not_know_as_an_entry(acme: Tenant, vera: Chat) -> None:
    talk(vera, "火星上能种土豆吗", "我不知道", mode="unknown")
    talk(vera, "怎么退货", "七天内", mode="verbatim")
    client = administrator(acme)
    page = client.get("/admin/").content.decode()
    assert "火星上能种土豆吗" in page and "怎么退货" not in page
    form = client.get("/admin/knowledge/entry/add/", {"question": "火星上能种土豆吗"})
    assert 'value="火星上能种土豆吗"' in form.content.decode()


def test_it_keeps_what_the_search_found_apart_by_tenant(acme: Tenant, globex: Tenant) -> None:
    with inside(acme):
        SensitiveWord.objects.create(word="机密词")
    found = administrator(acme).get("/admin/search/", {"s": "机密", "extended": "1"}).content.decode()
    other = administrator(globex).get("/admin/search/", {"s": "机密", "extended": "1"}).content.decode()
    assert "机密词" in found
    assert "机密词" not in other


def test_it_lets_nobody_but_superusers_make_superusers(acme: Tenant) -> None:
    from django.contrib.auth.models import Permission

    with inside(acme):
        mia = User.objects.create_user("mia", is_staff=True)
        mia.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
        root = User.objects.create_superuser("chief")
        client = browser(acme, mia)
    assert client.get(f"/admin/auth/user/{root.pk}/change/").status_code == 302
    assert client.get(f"/admin/auth/user/{root.pk}/password/").status_code in {302, 404}
    typed = {"username": "mia", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    client.post(f"/admin/auth/user/{mia.pk}/change/", typed)
    with inside(acme):
        assert not User.objects.get(pk=mia.pk).is_superuser
