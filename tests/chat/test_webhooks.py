"""Webhooks: who subscribed is told, once in effect, in signed words; who does not answer harms nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from chat import actions, drafts, effects, outbox, record, webhooks
from chat.answering import draft_of
from chat.models import Agent, Effect, Message, Webhook
from inference.turn import Answer
from tenants import actions as tenant_actions
from tenants import outbound, registry
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, browser, revision
from tests.chat.client import Place, Visitor
from tests.chat.sending import execute, quick
from tests.conftest import Chat, open_chat
from tests.product import wait_until
from tests.receiver import Receiver

STATES = ["conversation.waiting", "conversation.assigned", "conversation.closed"]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with Receiver() as receiver:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{receiver.port}"}
        yield receiver


@pytest.fixture
def subscribe(receiver: Receiver, in_acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Webhook]:
    """A webhook of Acme's for these events, as its processes know it once they have seen the tenant's new revision."""
    monkeypatch.setattr(webhooks, "_subscribers", {})  # revisions of tests that were rolled back

    def subscribes(*events: str, **fields: Any) -> Webhook:
        known = {"name": "crm", "url": receiver.url, "secret": webhooks.new_secret(), "events": list(events)}
        webhook = Webhook.objects.create(**known | fields)
        tenant_actions.touch(in_acme)
        in_acme.refresh_from_db()
        return webhook

    return subscribes


def told(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["type"] for request in receiver.requests]


def perform(tenant: Tenant, webhook: Webhook) -> None:
    effects.perform(tenant.schema_name, Effect.Kind.WEBHOOK, str(webhook.pk))


def test_it_tells_how_a_conversation_moves(
    vera: Chat, ann: Agent, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe(*STATES)
    actions.request_agent(vera.visitor.pk, vera.conversation.pk, "my order")
    actions.take_over(ann, vera.conversation.pk)
    actions.hand_back(ann, vera.conversation.pk)
    actions.end_as_visitor(vera.visitor.pk, vera.conversation.pk)
    perform(vera.tenant, webhook)
    assert told(receiver) == STATES
    waiting, assigned, _closed = (
        json.loads(request.body)["data"]["conversation"] for request in receiver.requests
    )
    assert waiting["id"] == str(vera.conversation.pk) and waiting["reason"] == "my order"
    assert waiting["agent"] is None and assigned["agent"] == {"id": ann.pk, "name": "Ann"}
    assert waiting["epoch"] < assigned["epoch"]


def test_it_tells_of_complaints_and_messages(
    vera: Chat, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe("complaint.taken", "message.created")
    answer = Answer("Case {case_number}.", "complaint", complaint=True)
    record.record_answer(vera.now(), answer, [])
    perform(vera.tenant, webhook)
    complaint, message = sorted(json.loads(request.body)["type"] for request in receiver.requests)
    assert (complaint, message) == ("complaint.taken", "message.created")
    number = vera.conversation.cases.get().number
    assert sum(number.encode() in request.body for request in receiver.requests) == 2


def test_it_records_nothing_that_nobody_wants(
    vera: Chat, ann: Agent, subscribe: Callable[..., Webhook], globex: Tenant
) -> None:
    subscribe("conversation.closed")
    subscribe("conversation.assigned", is_enabled=False)
    actions.take_over(ann, vera.conversation.pk)
    assert not Effect.objects.exists()
    with inside(globex):
        chat = open_chat(globex)
        actions.end_as_visitor(chat.visitor.pk, chat.conversation.pk)
        assert not Effect.objects.exists()


def test_it_asks_the_database_once_for_many_messages(
    vera: Chat, subscribe: Callable[..., Webhook], django_assert_num_queries: Any
) -> None:
    subscribe("conversation.closed")
    assert webhooks.subscribers(vera.tenant, "message.created") == []
    with django_assert_num_queries(0):
        assert webhooks.subscribers(vera.tenant, "message.created") == []


def write(chat: Chat, client_id: str, text: str, answer: Answer) -> None:
    """As the process's writer does it, in the test's own transaction."""
    draft = draft_of(quick(chat, text, answer), chat.visitor.pk, chat.conversation.pk, client_id)
    execute([draft], heard=bool(webhooks.heard("acme")))


def test_it_records_what_the_writer_writes_with_it(
    vera: Chat, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe("message.created")
    webhooks.subscribers(vera.tenant, "message.created")
    write(vera, "1", "“退货” 🙂", Answer("好的", "reply"))
    write(vera, "1", "“退货” 🙂", Answer("好的", "reply"))
    record.append(vera.now(), Message.Sender.SYSTEM, "by another way")
    perform(vera.tenant, webhook)
    bodies = [json.loads(request.body) for request in receiver.requests]
    rows = sorted((body["data"]["message"]["seq"], body) for body in bodies)
    assert [body["data"]["message"]["text"] for _seq, body in rows] == ["“退货” 🙂", "好的", "by another way"]
    assert [body["data"]["message"]["sender"]["kind"] for _seq, body in rows] == ["visitor", "bot", "system"]
    asked, _answered, other = (body for _seq, body in rows)
    assert shape(asked) == shape(other)
    assert asked["data"]["conversation"] == {"id": str(vera.conversation.pk)}
    assert asked["data"]["message"]["attachments"] == []


def shape(value: Any) -> Any:
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else type(value)


def test_it_asks_nothing_of_the_writer_where_nobody_listens(
    vera: Chat, subscribe: Callable[..., Webhook], globex: Tenant
) -> None:
    subscribe("conversation.closed")
    subscribe("message.created", is_enabled=False)
    webhooks.subscribers(vera.tenant, "message.created")
    assert webhooks.heard("acme") == webhooks.heard("globex") == []
    assert b"chat_effect" not in drafts.write("acme")
    write(vera, "1", "hello", Answer("hi", "reply"))
    assert not Effect.objects.exists()


def test_it_signs_as_receivers_libraries_expect(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe()
    outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), webhooks.payload("test", {"text": "“退货” 🙂"}))
    perform(in_acme, webhook)
    request = receiver.requests[0]
    assert Verifier(webhook.secret).verify(request.body, request.headers)["data"] == {"text": "“退货” 🙂"}
    assert request.headers["content-type"] == "application/json"
    for wrong in (request.body + b" ", request.body.replace(b"test", b"fake")):
        with pytest.raises(WebhookVerificationError):
            Verifier(webhook.secret).verify(wrong, request.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhooks.new_secret()).verify(request.body, request.headers)


def test_it_keeps_its_id_over_every_try_and_signs_each_anew(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe()
    receiver.script = ["500", "hang up", "200"]
    for n in range(2):
        outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {"n": n})
    for _ in range(3):
        perform(in_acme, webhook)
        Effect.objects.filter(done_at=None).update(due_at=timezone.now())
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(ids) == 4 and len(set(ids)) == 2
    assert all(Verifier(webhook.secret).verify(one.body, one.headers) for one in receiver.requests)
    assert Effect.objects.exclude(done_at=None).count() == 2


@pytest.mark.parametrize("word", ["500", "404", "hang up", "nonsense", "redirect"])
def test_it_comes_again_where_the_receiver_did_not_take_it(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver, word: str
) -> None:
    webhook = subscribe()
    with Receiver() as inner:
        receiver.script = [f"redirect:{inner.url}" if word == "redirect" else word]
        effect = outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
        perform(in_acme, webhook)
        assert inner.requests == []
    effect.refresh_from_db()
    assert effect.done_at is None and effect.failed_at is None and effect.last_error
    assert len(receiver.requests) == 1 and effect.due_at > timezone.now()


def test_it_refuses_inner_addresses_also_those_that_became_so(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver, settings: Settings
) -> None:
    webhook = subscribe()
    settings.OUTBOUND_ALLOW = set()
    effect = outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
    perform(in_acme, webhook)
    effect.refresh_from_db()
    assert effect.done_at is None and "127.0.0.1" in effect.last_error and receiver.requests == []


def exhaust(tenant: Tenant, webhook: Webhook) -> None:
    for _ in range(outbox.TRIES):
        Effect.objects.pending().update(due_at=timezone.now())
        effects.attempt(tenant, outbox.claim(Effect.Kind.WEBHOOK, str(webhook.pk)))


def test_it_switches_off_what_never_answers_and_says_why(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook, other = subscribe("conversation.closed"), subscribe("conversation.closed")
    receiver.script = ["503"]
    effect = outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
    exhaust(in_acme, webhook)
    webhook.refresh_from_db()
    effect.refresh_from_db()
    assert not webhook.is_enabled and "503: said 503" in webhook.trouble and effect.failed_at
    assert Webhook.objects.get(pk=other.pk).is_enabled
    fresh = registry.tenant_of_schema("acme")
    assert fresh and webhooks.subscribers(fresh, "conversation.closed") == [other.pk]


def test_it_leaves_on_what_only_dislikes_one_message(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe()
    effect = outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
    Webhook.objects.filter(pk=webhook.pk).update(answered_at=timezone.now())
    receiver.script = ["400"]
    exhaust(in_acme, webhook)
    webhook.refresh_from_db()
    effect.refresh_from_db()
    assert webhook.is_enabled and effect.failed_at


def test_it_stops_at_once_where_it_is_told_never_to_come_again(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe()
    receiver.script = ["410"]
    outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
    outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
    perform(in_acme, webhook)
    webhook.refresh_from_db()
    assert not webhook.is_enabled and len(receiver.requests) == 1
    assert Effect.objects.exclude(failed_at=None).count() == 2


def test_it_keeps_the_secret_encrypted(in_acme: Tenant, subscribe: Callable[..., Webhook]) -> None:
    webhook = subscribe()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM chat_webhook WHERE id = %s", [webhook.pk])
        assert webhook.secret not in cursor.fetchone()[0]


def test_it_reads_no_more_of_an_answer_than_it_needs(
    in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 5.0)
    webhook = subscribe()
    receiver.script = ["endless"]
    effect = outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
    perform(in_acme, webhook)
    effect.refresh_from_db()
    assert effect.done_at


@pytest.fixture
def every_message(live_acme: Tenant, receiver: Receiver) -> Iterator[Webhook]:
    """A webhook that the web process learns of within two seconds."""
    with inside(live_acme):
        webhook = Webhook.objects.create(
            name="all", url=receiver.url, secret=webhooks.new_secret(), events=["message.created"]
        )
        tenant_actions.touch(live_acme)
        yield webhook
        Webhook.objects.all().delete()
        Effect.objects.all().delete()
        tenant_actions.touch(live_acme)


def test_it_tells_what_a_visitor_really_wrote(
    acme_place: Place, every_message: Webhook, live_acme: Tenant, live_globex: Tenant, receiver: Receiver
) -> None:
    visitor = Visitor(acme_place)
    for number in range(15):
        visitor.post("你们的退货政策是什么？", f"message-{number}")
        with suppress(AssertionError):
            wait_until(Effect.objects.exists, 0.3)
            break
    perform(live_acme, every_message)
    told_of = [json.loads(request.body)["data"] for request in receiver.requests]
    assert {one["conversation"]["id"] for one in told_of} == {visitor.conversation}
    assert {one["message"]["text"] for one in told_of} >= {"你们的退货政策是什么？"}
    with inside(live_globex):
        assert not Effect.objects.exists()


# --- In the admin -----------------------------------------------------------------------------------------------------

ADD = "/admin/chat/webhook/add/"


@pytest.fixture
def client(acme: Tenant) -> Client:
    return administrator(acme)


def typed(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"name": "crm", "url": receiver.url, "events": ["conversation.closed"], "is_enabled": "on", **more}


def test_it_shows_the_secret_once(client: Client, acme: Tenant, receiver: Receiver) -> None:
    page = client.post(ADD, typed(receiver)).content.decode()
    with inside(acme):
        webhook = Webhook.objects.get()
    assert webhook.secret in page and webhook.secret.startswith("whsec_")
    address = f"/admin/chat/webhook/{webhook.pk}"
    assert webhook.secret not in client.get(f"{address}/change/").content.decode()
    page = client.post(f"{address}/secret/").content.decode()
    with inside(acme):
        newer = Webhook.objects.get()
    assert newer.secret in page and newer.secret != webhook.secret and webhook.secret not in page


def test_it_reaches_every_process_by_the_tenants_revision(
    client: Client, acme: Tenant, receiver: Receiver, django_capture_on_commit_callbacks: Any
) -> None:
    before = revision(acme)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(ADD, typed(receiver))
    assert revision(acme) > before


@pytest.mark.parametrize(
    "wrong",
    [{"url": "http://127.0.0.1:1/"}, {"url": "file:///etc/passwd"}, {"url": "http://169.254.169.254/latest/meta-data"},
     {"events": []}, {"events": ["conversation.burnt"]}, {"name": ""}],
)  # fmt: skip
def test_it_takes_no_webhook_that_cannot_work(
    client: Client, acme: Tenant, receiver: Receiver, wrong: dict[str, Any]
) -> None:
    response = client.post(ADD, typed(receiver, **wrong))
    assert response.status_code == 200 and response.context["errors"]
    with inside(acme):
        assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("word", "said"), [("200", "It was taken"), ("500", "said 500"), ("hang up", "It was not taken")]
)
def test_it_sends_a_test_and_shows_what_came_back(
    client: Client, subscribe: Callable[..., Webhook], receiver: Receiver, word: str, said: str
) -> None:
    webhook = subscribe()
    receiver.script = [word]
    assert said in client.post(f"/admin/chat/webhook/{webhook.pk}/test/").content.decode()
    request = receiver.requests[0]
    assert Verifier(webhook.secret).verify(request.body, request.headers)["type"] == "test"
    assert client.get(f"/admin/chat/webhook/{webhook.pk}/test/").status_code == 405


def test_it_switches_on_again_by_hand(
    client: Client, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe(is_enabled=False, trouble="503")
    assert "503" in client.get("/admin/chat/webhook/").content.decode()
    client.post(f"/admin/chat/webhook/{webhook.pk}/change/", typed(receiver))
    webhook.refresh_from_db()
    assert webhook.is_enabled and webhook.trouble == ""


def test_it_shows_deliveries_and_tries_given_up_ones_again(
    client: Client, in_acme: Tenant, subscribe: Callable[..., Webhook], receiver: Receiver
) -> None:
    webhook = subscribe()
    receiver.script = ["410"]
    effect = outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), webhooks.payload("test", {"text": "<b>"}))
    perform(in_acme, webhook)
    page = client.get("/admin/chat/effect/").content.decode()
    assert "crm" in page and "410" in page
    detail = client.get(f"/admin/chat/effect/{effect.pk}/change/").content.decode()
    assert "&lt;b&gt;" in detail
    assert client.post(f"/admin/chat/effect/{effect.pk}/change/", {"attempts": 0}).status_code == 403
    client.post("/admin/chat/effect/", {"action": "try_again", "_selected_action": [str(effect.pk)]})
    with inside(in_acme):
        effect.refresh_from_db()
    assert effect.failed_at is None and effect.attempts == 0
    for state, shown in (("pending", True), ("done", False), ("failed", False)):
        assert (
            str(effect.pk) in client.get("/admin/chat/effect/", {"state": state}).content.decode()
        ) is shown


def test_it_shows_nothing_of_them_to_another_tenant_nor_to_who_may_not(
    subscribe: Callable[..., Webhook], in_acme: Tenant, globex: Tenant
) -> None:
    webhook = subscribe(name="secret-crm")
    gus = administrator(globex)
    assert "secret-crm" not in gus.get("/admin/chat/webhook/").content.decode()
    for door in ("test", "secret"):
        assert gus.post(f"/admin/chat/webhook/{webhook.pk}/{door}/").status_code == 404
    with inside(in_acme):
        mia = User.objects.create_user("mia", is_staff=True)
        mia.user_permissions.set(Permission.objects.filter(codename__in=("view_webhook", "view_effect")))
        old = webhook.secret
    looking = browser(in_acme, mia)
    for door in ("test", "secret"):
        assert looking.post(f"/admin/chat/webhook/{webhook.pk}/{door}/").status_code == 403
    with inside(in_acme):
        webhook.refresh_from_db()
    assert webhook.secret == old
