"""Training in the admin: asked for, watched, compared, made live, rolled back; each company its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from inference import intents, tasks
from inference.intents import train_model
from inference.models import Intent, IntentExample, IntentModel
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, browser, revision

MODELS = "/admin/inference/intentmodel/"
TAUGHT = {
    "returns": ("我要退货", "怎么退货", "退货流程", "不想要了想退"),
    "invoice": ("开发票", "要发票", "发票怎么开", "可以开票吗"),
    "out_of_scope": ("今天天气", "讲个笑话"),
}


@pytest.fixture
def client(acme: Tenant) -> Client:
    return administrator(acme)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tasks that were put onto the queue."""
    tasks_sent: list[Any] = []
    monkeypatch.setattr(tasks.train_intents_task, "delay", lambda *args: tasks_sent.append(args))
    monkeypatch.setattr(tasks.train_intents_task, "apply_async", lambda args, **_: tasks_sent.append(args))
    return tasks_sent


def teach() -> None:
    for name, texts in TAUGHT.items():
        intent = Intent.objects.create(name=name, title=name.title())
        IntentExample.objects.bulk_create(IntentExample(intent=intent, text=text) for text in texts)


def ask(client: Client, capture: Any) -> IntentModel:
    with capture(execute=True):
        response = client.post(MODELS + "train/")
    row = IntentModel.objects.latest("pk")
    assert response["Location"] == f"{MODELS}{row.pk}/change/"
    return row


def page(client: Client, row: IntentModel) -> str:
    return client.get(f"{MODELS}{row.pk}/change/").content.decode()


def trained(client: Client, capture: Any) -> IntentModel:
    row = ask(client, capture)
    train_model(row.pk)
    row.refresh_from_db()
    return row


@pytest.mark.slow
def test_it_has_a_worker_train_and_shows_how_far_it_is(
    client: Client, in_acme: Tenant, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    teach()
    row = ask(client, django_capture_on_commit_callbacks)
    assert sent == [("acme", row.pk)] and row.status == "queued"
    assert (
        'hx-trigger="every 1s"' in page(client, row)
        and "data-unfinished" in client.get(MODELS).content.decode()
    )
    assert ask(client, django_capture_on_commit_callbacks).pk == row.pk  # one at a time
    assert len(sent) == 1
    train_model(row.pk)
    row.refresh_from_db()
    assert (row.status, row.progress, row.is_live, row.examples) == ("ready", 100, False, 10)
    assert 'hx-trigger="every 1s"' not in page(client, row)


def test_it_goes_live_when_somebody_says_so_and_can_be_rolled_back(
    client: Client,
    acme: Tenant,
    globex: Tenant,
    in_acme: Tenant,
    sent: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    teach()
    first = trained(client, django_capture_on_commit_callbacks)
    assert "No model answers yet" in page(client, first)
    before, neighbours = revision(acme), revision(globex)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{MODELS}{first.pk}/live/")
    assert IntentModel.objects.get(is_live=True) == first
    assert revision(acme) > before and revision(globex) == neighbours
    IntentExample.objects.create(intent=Intent.objects.get(name="returns"), text="东西想退掉")
    second = trained(client, django_capture_on_commit_callbacks)
    assert IntentModel.objects.get(is_live=True) == first
    shown = page(client, second)
    assert "Go live" in shown and f"{first}, which answers now" in shown and "both opinions together" in shown
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{MODELS}{second.pk}/live/")
    assert "Roll back to this one" in page(client, first) and "This model answers now" in page(client, second)
    client.post(f"{MODELS}{first.pk}/live/")
    assert IntentModel.objects.get(is_live=True) == first


def test_it_says_why_a_training_failed(
    client: Client, in_acme: Tenant, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    row = trained(client, django_capture_on_commit_callbacks)
    assert row.status == "failed" and not row.is_live
    assert "At least two intents need examples" in page(client, row)
    assert client.post(f"{MODELS}{row.pk}/live/").status_code == 404
    again = ask(client, django_capture_on_commit_callbacks)
    assert again.pk != row.pk


def test_it_shows_a_model_of_an_older_version_and_does_not_let_it_answer(
    client: Client, in_acme: Tenant
) -> None:
    row = IntentModel.objects.create(onnx=b"of long ago", examples=1)
    assert "must be trained again" in page(client, row)
    response = client.post(f"{MODELS}{row.pk}/live/", follow=True)
    assert "must be trained again" in response.content.decode()
    assert not IntentModel.objects.filter(is_live=True).exists()


def test_it_links_what_is_confused_to_the_examples(
    client: Client, in_acme: Tenant, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    teach()
    for name in ("returns", "invoice"):  # taught to be confused
        IntentExample.objects.bulk_create(
            IntentExample(intent=Intent.objects.get(name=name), text=f"怎么办理业务 {n}") for n in range(4)
        )
    shown = page(client, trained(client, django_capture_on_commit_callbacks))
    confused = shown[shown.index("What it confuses") :]
    for name in ("returns", "invoice"):
        assert f"/admin/inference/intent/{Intent.objects.get(name=name).pk}/change/" in confused


def test_it_sends_again_what_a_queue_has_forgotten(in_acme: Tenant, sent: list[Any]) -> None:
    fresh = IntentModel.objects.create(status="queued")
    lost = IntentModel.objects.create(status="queued")
    long_ago = lost.created_at - 2 * tasks.PATIENCE
    IntentModel.objects.filter(pk=lost.pk).update(created_at=long_ago)
    tasks.resend_trainings(in_acme)
    assert sent == [("acme", lost.pk)] and fresh.pk != lost.pk


def test_it_keeps_the_newest_few_and_the_one_that_answers(in_acme: Tenant) -> None:
    teach()
    live = intents.make_live(IntentModel.objects.create())
    kept = [IntentModel.objects.create() for _ in range(intents.KEPT + 3)][4:]
    row = IntentModel.objects.create(status="queued")
    train_model(row.pk)
    assert set(IntentModel.objects.all()) == {live, row, *kept}


def test_it_trains_once_what_is_sent_twice(in_acme: Tenant) -> None:
    teach()
    row = IntentModel.objects.create(status="queued")
    train_model(row.pk)
    once = bytes(IntentModel.objects.get(pk=row.pk).onnx)
    Intent.objects.get(name="invoice").delete()
    train_model(row.pk)
    assert bytes(IntentModel.objects.get(pk=row.pk).onnx) == once


def test_it_shows_nobody_the_neighbours_models(
    client: Client, acme: Tenant, globex: Tenant, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with inside(acme):
        teach()
        row = trained(client, django_capture_on_commit_callbacks)
    gus = administrator(globex)
    assert gus.get(f"{MODELS}{row.pk}/change/").status_code == 302  # to where there is nothing
    assert gus.post(f"{MODELS}{row.pk}/live/").status_code == 404
    assert "Returns" not in gus.get(MODELS).content.decode()
    with inside(globex):
        assert not IntentModel.objects.exists()


def test_it_trains_for_nobody_who_may_not_change_intents(in_acme: Tenant, sent: list[Any]) -> None:
    looker = User.objects.create_user("looker", is_staff=True)
    response = browser(in_acme, looker).post(MODELS + "train/")
    assert response.status_code in (302, 403) and not IntentModel.objects.exists() and not sent
    row = IntentModel.objects.create()
    assert browser(in_acme, looker).post(f"{MODELS}{row.pk}/live/").status_code in (302, 403)
    assert not IntentModel.objects.filter(is_live=True).exists()
