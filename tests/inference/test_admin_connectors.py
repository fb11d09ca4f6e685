"""A connector is made and tried in the admin; what could do harm is refused when it is typed, and a secret never comes back out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from inference import connectors
from inference.admin_offer import offer
from inference.models import Connector, Provider
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, browser, revision
from tests.inference.turns import wake_everything
from tests.mcp_server import McpServer
from tests.receiver import Receiver

SECRET = "Bearer canary-of-the-secret"
ADD = "/admin/inference/connector/add/"
SLOTS = {
    "slots-name": ["number", "", ""],
    "slots-kind": ["pattern", "order_number", "date"],
    "slots-pattern": [r"[A-Z]\d{5}", "", ""],
    "slots-ask": ["Which number?", "", ""],
    "slots-ask_en": ["", "", ""],
    "slots-upper": ["0"],
}
SQL = {
    "name": "order", "title": "Orders", "kind": "sql", "is_enabled": "on", "query": "SELECT 1 AS a, %(number)s AS number",
    "template": "{a}", "method": "GET", "body": "{}", **SLOTS,
}  # fmt: skip
HTTP = SQL | {
    "kind": "http", "query": "", "url": "https://93.184.215.14/orders/{number}", "secret": SECRET, "secret_header": "Authorization",
    "headers": "X-Shop: acme", "columns": "status: data.0.status\nowner: data.0.user", "template": "{number} is {status}",
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_rests(services: None) -> None:
    wake_everything()


@pytest.fixture
def client(acme: Tenant) -> Client:
    return administrator(acme)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with Receiver('json:{"status": "sent", "owner": "vera", "echo": "canary-of-the-secret"}') as receiver:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{receiver.port}"}
        yield receiver


def errors(client: Client, typed: dict[str, Any], address: str = ADD) -> set[str]:
    response = client.post(address, typed)
    return set(response.context["adminform"].form.errors) if response.status_code == 200 else set()


def page(row: Connector, more: str = "change") -> str:
    return f"/admin/inference/connector/{row.pk}/{more}/"


def test_it_keeps_what_was_typed(
    client: Client, acme: Tenant, in_acme: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    before = revision(acme)
    with django_capture_on_commit_callbacks(execute=True):
        assert errors(client, HTTP) == set()
    row = Connector.objects.get()
    assert row.slots == {
        "number": {"kind": "pattern", "pattern": r"[A-Z]\d{5}", "ask": "Which number?", "upper": True}
    }
    assert (row.headers, row.secret) == ({"X-Shop": "acme"}, SECRET)
    assert row.columns == {"status": "data.0.status", "owner": "data.0.user"}
    assert revision(acme) > before
    shown = client.get(page(row)).content.decode()
    assert "Which number?" in shown and "status: data.0.status" in shown and "x-show" in shown


def test_it_lets_a_model_ask_only_what_was_ticked(client: Client, in_acme: Tenant) -> None:
    assert "what the visitor has named" in client.get(ADD).content.decode()
    assert errors(client, SQL) == set()
    row = Connector.objects.get()
    assert row.model_may_ask is False
    assert errors(client, SQL | {"model_may_ask": "on"}, page(row)) == set()
    assert Connector.objects.get().model_may_ask is True


def test_it_never_shows_a_secret_and_keeps_it_for_its_server_only(client: Client, in_acme: Tenant) -> None:
    errors(client, HTTP)
    row = Connector.objects.get()
    for shown in (
        client.get("/admin/inference/connector/"),
        client.get(page(row)),
        client.get(page(row, "history")),
        client.get(page(row, "try")),
        client.post(page(row), HTTP | {"name": "", "secret": "Bearer canary-of-another"}),
    ):
        assert shown.status_code == 200 and "canary" not in shown.content.decode()
    kept = HTTP | {"secret": "", "url": "https://93.184.215.14/v2/orders/{number}"}
    assert errors(client, kept, page(row)) == set()
    assert Connector.objects.get().secret == SECRET
    for moved in (
        {"url": "https://1.1.1.1/{number}"}, {"url": "http://93.184.215.14/{number}"}, {"url": "https://93.184.215.14:8443/{number}"},
        {"secret_header": "X-Other"}, {"kind": "mcp", "tool": "x", "url": "https://1.1.1.1/"},
    ):  # fmt: skip
        assert "secret" in errors(client, HTTP | {"secret": ""} | moved, page(row)), moved
    assert (
        errors(client, HTTP | {"secret": "", "forget_secret": "on", "url": "https://1.1.1.1/"}, page(row))
        == set()
    )
    assert Connector.objects.get().secret == ""


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"query": ""}, "query"),
        ({"query": "SELECT * FROM pg_class"}, "query"),
        ({"query": "SELECT set_config('role', 'kefu', false)"}, "query"),
        ({"query": "SELECT 1; DROP TABLE x"}, "query"),
        ({"query": "SELECT %(nobody)s"}, "query"),
        ({"query": "SELECT %(visitor_id)s"}, "query"),
        ({"needs_identity": "on"}, "needs_identity"),
        ({"slots-personal": ["0"]}, "needs_identity"),
        ({"nothing_found": "No {a}"}, "nothing_found"),
        ({"by_status": "sent: {a.b}"}, "by_status"),
        ({"slots-name": ["visitor_id", "", ""]}, "slots"),
        ({"slots-name": ["two words", "", ""]}, "slots"),
        ({"slots-name": ["number", "number", ""], "slots-ask": ["a", "b", ""]}, "slots"),
        ({"slots-pattern": ["(", "", ""]}, "slots"),
        ({"slots-pattern": ["", "", ""]}, "slots"),
        ({"slots-ask": ["", "", ""]}, "slots"),
        ({"slots-kind": ["__class__", "", ""]}, "slots"),
    ],
)
def test_it_refuses_sql_that_is_none_of_its_own_tables_or_nobodys(
    client: Client, in_acme: Tenant, typed: dict[str, Any], wrong: str
) -> None:
    assert wrong in errors(client, SQL | typed)
    assert not Connector.objects.exists()


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"url": ""}, "url"),
        ({"url": "http://127.0.0.1:8000/"}, "url"),
        ({"url": "http://169.254.169.254/latest/{number}"}, "url"),
        ({"url": "http://localhost/"}, "url"),
        ({"url": "ftp://shop.example/"}, "url"),
        ({"url": "https://{number}.shop.example/"}, "url"),
        ({"url": "https://93.184.215.14/{nobody}"}, "url"),
        ({"url": "https://93.184.215.14/{number.__class__}"}, "url"),
        ({"url": "https://93.184.215.14/{visitor_id}"}, "url"),
        ({"headers": "X-A: {number!r}"}, "headers"),
        ({"headers": "X A: b"}, "headers"),
        ({"secret_header": "X\r\nY"}, "secret_header"),
        ({"body": "[1]"}, "body"),
        ({"body": '{"a": "{number.x}"}'}, "body"),
        ({"body": "{"}, "body"),
        ({"template": "{amount}"}, "template"),
        ({"needs_identity": "on"}, "needs_identity"),
        ({"needs_identity": "on", "owner_column": "user"}, "owner_column"),
        ({"kind": "mcp"}, "tool"),
    ],
)
def test_it_refuses_addresses_and_texts_that_reach_too_far(
    client: Client, in_acme: Tenant, typed: dict[str, Any], wrong: str
) -> None:
    assert wrong in errors(client, HTTP | typed)
    assert not Connector.objects.exists()


def test_it_takes_what_is_tied_to_the_visitor(client: Client, in_acme: Tenant) -> None:
    mine = {"needs_identity": "on"}
    for name, typed in {
        "one": SQL | mine | {"query": "SELECT 1 AS a WHERE %(visitor_id)s = %(number)s"},
        "two": HTTP | mine | {"url": "https://93.184.215.14/{visitor_id}/{number}"},
        "three": HTTP | mine | {"owner_column": "owner"},
    }.items():
        assert errors(client, typed | {"name": name}) == set(), name
    assert all(row.is_personal for row in Connector.objects.all())


def test_it_complains_of_no_field_that_the_kind_does_not_show(client: Client, in_acme: Tenant) -> None:
    assert errors(client, SQL | {"body": "{", "url": "http://127.0.0.1/", "headers": "x"}) == set()


@pytest.mark.parametrize("template", ["{a.__class__}", "{a[0]}", "{a!r}", "{a:>9}", "{", "{}", "{0}"])
def test_it_takes_plain_names_only_in_a_template(client: Client, in_acme: Tenant, template: str) -> None:
    for field in ("template", "nothing_found", "template_en", "nothing_found_en"):
        assert field in errors(client, SQL | {field: template})
    for field in ("by_status", "by_status_en"):
        assert field in errors(client, SQL | {field: f"sent: {template}"})


# --- Tried ------------------------------------------------------------------------------------------------------------


def tried(client: Client, row: Connector, **typed: str) -> str:
    response = client.post(page(row, "try"), typed)
    assert response.status_code == 200
    return str(response.content.decode())


def asking(receiver: Receiver, **fields: Any) -> Connector:
    known = {
        "url": f"http://127.0.0.1:{receiver.port}/orders/{{number}}", "secret": SECRET, "slots": {"number": {"ask": "?"}},
        "template": "{number} is {status}", "nothing_found": "No {number}.",
    }  # fmt: skip
    return Connector.objects.create(**{"name": "order", "kind": "http", **known, **fields})


def test_it_shows_what_was_asked_what_came_and_what_is_said(
    client: Client, in_acme: Tenant, receiver: Receiver
) -> None:
    shown = tried(client, asking(receiver), **{"slot-number": "A1"})
    assert f"GET http://127.0.0.1:{receiver.port}/orders/A1" in shown
    assert (
        "A1 is sent" in shown
        and "Authorization: …" in shown
        and "&quot;owner&quot;: &quot;vera&quot;" in shown
    )
    assert "canary" not in shown
    assert receiver.requests[0].headers["authorization"] == SECRET


def test_it_tries_as_whoever_is_named(client: Client, in_acme: Tenant, receiver: Receiver) -> None:
    row = asking(receiver, needs_identity=True, owner_column="owner")
    assert "log in" in tried(client, row, **{"slot-number": "A1"}) and receiver.requests == []
    assert "A1 is sent" in tried(client, row, **{"slot-number": "A1", "visitor": "vera"})
    assert "No A1." in tried(client, row, **{"slot-number": "A1", "visitor": "bob"})


def test_it_says_why_a_connector_fails_and_asks_again_all_the_same(
    client: Client, in_acme: Tenant, receiver: Receiver
) -> None:
    row = asking(receiver)
    receiver.script = ["500"]
    for _ in range(5):
        assert "The server answered 500." in tried(client, row, **{"slot-number": "A1"})
    assert len(receiver.requests) == 5
    row.template = "{nothing}"
    row.save()
    receiver.script = ['json:{"status": "x"}']
    assert "There is no “nothing” to put in." in tried(client, row, **{"slot-number": "A1"})


def test_it_lists_a_servers_tools(client: Client, in_acme: Tenant, settings: Settings) -> None:
    with McpServer() as server:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{server.port}"}
        row = Connector.objects.create(name="shop", kind="mcp", url=server.url, template="x")
        shown = tried(client, row, tools="1")
        assert "An order of the shop&#x27;s." in shown and "hours" in shown
    assert "failed" in tried(client, row, tools="1")


def test_it_tries_nothing_for_whom_may_only_look_or_of_the_neighbours(
    acme: Tenant, in_acme: Tenant, globex: Tenant, receiver: Receiver
) -> None:
    row = asking(receiver)
    looker = User.objects.create(username="looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_connector"))
    assert browser(acme, looker).post(page(row, "try"), {"slot-number": "A1"}).status_code == 403
    assert browser(acme).post(page(row, "try"), {"slot-number": "A1"}).status_code == 302
    with inside(globex):
        assert administrator(globex).post(page(row, "try"), {"slot-number": "A1"}).status_code == 404
    assert receiver.requests == []


NUMBER = {"number": {"pattern": r"[A-Z]\d{5}", "ask": "Which number?"}}


def test_it_shows_what_a_model_is_offered_for_a_question_and_asks_nobody(
    client: Client, in_acme: Tenant, receiver: Receiver
) -> None:
    row = asking(receiver, title="Find an order", slots=NUMBER, model_may_ask=True)
    Provider.objects.create(name="Caller", base_url="https://model.example/v1", model="m")
    Provider.objects.create(
        name="Plain", base_url="https://model.example/v1", model="m", tool_choice="none", role="light"
    )
    shown = html.unescape(tried(client, row, question="Where are A10001 and A10002?"))
    assert '"enum": [\n        "A10001",\n        "A10002"\n      ]' in shown
    assert '"description": "Which number?"' in shown and "Find an order" in shown
    assert "Caller" in shown and "Plain" not in shown and "What the visitor is told" not in shown
    assert receiver.requests == []


def test_it_says_why_a_model_is_not_offered_it(client: Client, in_acme: Tenant, receiver: Receiver) -> None:
    row = asking(receiver, slots=NUMBER, is_enabled=False)
    shown = html.unescape(tried(client, row, question="Where is my order?"))
    for why in (
        "It is not enabled.",
        "“The model may ask it” is not switched on.",
        "There is no model server that calls tools.",
        "The question names nothing for “number”.",
    ):
        assert why in shown
    assert "enum" not in shown
    in_acme.policy.use_model = False
    assert "The policy asks no language model." in offer(in_acme, row, "A10001?")["obstacles"]


def test_it_shows_personal_data_as_a_model_may_read_it(
    client: Client, in_acme: Tenant, receiver: Receiver
) -> None:
    row = asking(receiver, slots={"phone": {"kind": "phone", "ask": "?"}})
    shown = tried(client, row, question="13912345678")
    assert "<li>139****5678</li>" in shown and "<li>13912345678" not in shown


def test_its_list_tells_how_each_did_during_the_last_minute(
    client: Client, acme: Tenant, in_acme: Tenant, globex: Tenant, receiver: Receiver, settings: Settings
) -> None:
    made = {"kind": "http", "template": "ok", "columns": {"status": "status"}}
    with Receiver("503") as down:
        settings.OUTBOUND_ALLOW |= {f"127.0.0.1:{down.port}"}
        works = Connector.objects.create(name="works", title="Parcels", url=receiver.url, **made)
        fails = Connector.objects.create(name="fails", title="Stock", url=down.url, **made)
        for row in (works, fails, fails, fails):
            async_to_sync(connectors.look_up)(acme, row, {})
    assert states(client) == {"Parcels": "in use", "Stock": "left alone"}
    with inside(globex):
        Connector.objects.create(name="fails", title="Stock", url=down.url, **made)
        assert states(administrator(globex)) == {"Stock": "in use"}


def states(client: Client) -> dict[str, str]:
    page = client.get("/admin/inference/connector/").content.decode()
    shown = page[page.index("How they answer now") : page.index("Of the last minute.")]
    return dict(re.findall(r"<td>(\w+)</td>\s*<td><span [^>]*>([^<]*)", shown))
