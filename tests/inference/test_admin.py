"""What the bot is taught in the admin, and the secrets that must not leave it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from inference import breaker, changes, health, shared
from inference.models import IntentExample, Provider, SensitiveWord
from inference.vendors import FIGURES, PRESETS, abilities_of, presets
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, revision
from tests.onnx_models import make

KEY = "sk-very-secret-0123456789"
SERVER = {
    "name": "云",
    "role": "full",
    "base_url": "https://models.example/v1",
    "model": "m",
    "extra_body": "{}",
    "max_tokens": "100",
    "vendor": "other",
    "tool_choice": "auto",
    "token_parameter": "max_tokens",
    "thinking_off": "{}",
    "passage_characters": "3000",
    "first_token_seconds": "30",
    "next_token_seconds": "15",
    "input_price": "0",
    "output_price": "0",
    "is_enabled": "on",
}


@pytest.fixture
def client(acme: Tenant) -> Client:
    return administrator(acme)


@pytest.fixture
def provider(in_acme: Tenant) -> Provider:
    return Provider.objects.create(name="云", base_url="https://models.example/v1", api_key=KEY, model="m")


def page_of(provider: Provider) -> str:
    return f"/admin/inference/provider/{provider.pk}/change/"


def stored(provider: Provider) -> Provider:
    return Provider.objects.get(pk=provider.pk)


def test_it_never_shows_a_providers_key(client: Client, provider: Provider) -> None:
    pages = [
        client.get("/admin/inference/provider/"),
        client.get(page_of(provider)),
        client.get(f"/admin/inference/provider/{provider.pk}/history/"),
        client.get(f"/admin/inference/provider/{provider.pk}/delete/"),
        client.post(page_of(provider), SERVER | {"name": "", "api_key": "sk-another-secret"}),
        client.get("/admin/search/", {"s": "sk-", "extended": "1"}),
    ]
    for page in pages:
        assert page.status_code == 200
        assert KEY not in page.content.decode() and "sk-another-secret" not in page.content.decode()


def test_it_keeps_the_key_when_nothing_is_typed(client: Client, provider: Provider) -> None:
    assert client.post(page_of(provider), SERVER | {"model": "bigger", "api_key": ""}).status_code == 302
    assert (stored(provider).model, stored(provider).api_key) == ("bigger", KEY)


def test_it_wants_the_key_again_when_the_address_changes(client: Client, provider: Provider) -> None:
    elsewhere = SERVER | {"base_url": "https://thief.example/v1"}
    assert client.post(page_of(provider), elsewhere | {"api_key": ""}).status_code == 200
    assert stored(provider).base_url == "https://models.example/v1"
    assert client.post(page_of(provider), elsewhere | {"api_key": "sk-new"}).status_code == 302
    assert stored(provider).api_key == "sk-new"
    local = SERVER | {"base_url": "http://127.0.0.1:8080/v1", "forget_key": "on"}
    assert client.post(page_of(provider), local).status_code == 302
    assert stored(provider).api_key == ""


class Double(BaseHTTPRequestHandler):
    """A model server that repeats the key it was given in its error, as some do."""

    def do_GET(self) -> None:
        self.say(
            200,
            {
                "object": "list",
                "data": [{"id": "little-model", "object": "model", "created": 1, "owned_by": "x"}],
            },
        )

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "missing":
            return self.say(404, {"error": {"message": f"no such model for {self.headers['Authorization']}"}})
        choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "zwei"}}
        return self.say(
            200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        )

    def say(self, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        return None


@pytest.fixture
def server(settings: Any) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Double) as listening:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{listening.server_port}", "127.0.0.1:9"}
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/v1"
        listening.shutdown()


def outcome(client: Client, url: str, model: str) -> str:
    provider = Provider.objects.create(name=model, base_url=url, api_key=KEY, model=model)
    response = client.post(f"/admin/inference/provider/{provider.pk}/test/")
    assert response.status_code == 200
    return response.content.decode()


def test_it_tests_a_provider_and_hides_the_key_in_its_errors(
    client: Client, in_acme: Tenant, server: str
) -> None:
    page = outcome(client, server, "little")
    assert "zwei" in page and "little-model" in page
    page = outcome(client, server, "missing")
    assert "no such model" in page and KEY not in page
    page = outcome(client, "http://127.0.0.1:9/v1", "nobody")
    assert "APIConnectionError" in page


async def steps_down(tenant: Tenant, provider: Provider) -> None:
    for _ in range(breaker.FAILURES):
        await breaker.tell(tenant, provider, works=False)
        await health.count(tenant, provider, works=False)
    await changes.note(tenant, "rung", "", "full", "extract", "breaker")


def test_it_shows_how_the_bot_answers_now_and_what_changed(
    client: Client, acme: Tenant, globex: Tenant, provider: Provider
) -> None:
    address = "/admin/inference/provider/"
    assert "full answers by a model" in client.get(address).content.decode()
    asyncio.run(steps_down(acme, provider))
    page = client.get(address).content.decode()
    assert "left alone" in page and "passages as they stand" in page and "the model server fails" in page
    assert page.count("the model server fails") == 1 and "100 %" in page
    asyncio.run(changes.note(acme, "rung", "", "extract", "full", "breaker"))
    page = client.get(address).content.decode()  # which is no reason to step up
    assert "passages as they stand → full answers by a model</li>" in page
    neighbours = administrator(globex).get(address).content.decode()
    assert "left alone" not in neighbours and "the model server fails" not in neighbours


def test_it_shows_its_providers_though_redis_is_away(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "sync_redis", lambda: Redis(port=9, retry=Retry(NoBackoff(), 0)))
    page = client.get("/admin/inference/provider/")
    assert page.status_code == 200 and "How it answers now" not in page.content.decode()


def test_it_knows_what_each_vendor_can_do(client: Client, in_acme: Tenant, models: Path) -> None:
    """Every vendor that can be chosen has a row, and every row fits the form."""
    assert set(PRESETS) == set(Provider.Vendor.values) and set(FIGURES) <= set(PRESETS)
    for number, (vendor, preset) in enumerate(presets().items()):
        abilities = {name: value for name, value in preset.items() if not isinstance(value, bool)}
        abilities |= {name: "on" for name, value in preset.items() if value is True}
        typed = SERVER | abilities | {"name": vendor, "vendor": vendor, "api_key": "k"}
        typed |= {"thinking_off": json.dumps(preset["thinking_off"])}
        typed["base_url"] = preset["base_url"] or f"https://models.example/{number}"
        typed["folder"] = "polite"
        assert client.post("/admin/inference/provider/add/", typed).status_code == 302, vendor
        row = Provider.objects.get(name=vendor)
        assert {name: getattr(row, name) for name in abilities_of(vendor)} == abilities_of(vendor)


@pytest.fixture
def models(tmp_path: Path, settings: Any) -> Path:
    """What the operator has put there."""
    settings.MODELS = tmp_path / "models"
    make(settings.MODELS / "polite", ["Guten", " Tag"])
    make(tmp_path / "files" / "globex" / "secret", ["secret"])
    return Path(settings.MODELS)


LOCAL = SERVER | abilities_of("onnx") | {"name": "eigenes", "vendor": "onnx", "base_url": "", "model": ""}
LOCAL |= {"thinking_off": "{}", "json_schema": "", "folder": "polite"}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_it_offers_the_models_that_the_operator_put_there(
    client: Client, in_acme: Tenant, models: Path, language: str
) -> None:
    client.cookies["django_language"] = language
    page = client.get("/admin/inference/provider/add/").content.decode()
    assert '<option value="polite">polite</option>' in page and '<option value="onnx">' in page
    assert client.post("/admin/inference/provider/add/", LOCAL).status_code == 302
    row = Provider.objects.get(name="eigenes")
    assert (row.model, row.base_url, row.is_local) == ("polite", "", True)
    assert '<option value="polite" selected>' in client.get(page_of(row)).content.decode()
    tested = client.post(f"/admin/inference/provider/{row.pk}/test/").content.decode()
    assert "Guten" in tested and "4096" in tested and "polite" in tested


@pytest.mark.parametrize("folder", ["../files/globex/secret", "/", "..", "", "gone", "polite/../polite"])
def test_it_takes_no_other_folder(client: Client, in_acme: Tenant, models: Path, folder: str) -> None:
    """Neither where the form has its list, nor under the name that it keeps."""
    for typed in ({"folder": folder}, {"folder": folder, "model": folder}, {"folder": "", "model": "polite"}):
        answer = client.post("/admin/inference/provider/add/", LOCAL | typed)
        assert answer.status_code == 200 and answer.context["adminform"].form.errors["folder"]
    assert not Provider.objects.exists()


def test_it_offers_none_where_the_operator_put_none(client: Client, in_acme: Tenant, settings: Any) -> None:
    settings.MODELS = Path("/nowhere")
    assert "none there" in client.get("/admin/inference/provider/add/").content.decode()
    assert client.post("/admin/inference/provider/add/", LOCAL).status_code == 200


def test_it_keeps_nothing_of_a_server_that_gives_way_to_a_local_model(
    client: Client, provider: Provider, models: Path, globex: Tenant
) -> None:
    typed = LOCAL | {"base_url": "https://models.example/v1", "api_version": "1", "name": "云"}
    assert client.post(page_of(provider), typed).status_code == 302
    row = stored(provider)
    assert (row.base_url, row.api_key, row.api_version, row.model) == ("", "", "", "polite")
    back = SERVER | {"base_url": "https://thief.example/v1"}
    assert client.post(page_of(provider), back).status_code == 302
    assert stored(provider).api_key == ""
    with inside(globex):
        assert not Provider.objects.exists()


def test_it_wants_an_address_and_a_model_of_every_server(client: Client, in_acme: Tenant) -> None:
    for missing in ("base_url", "model"):
        answer = client.post("/admin/inference/provider/add/", SERVER | {missing: "", "api_key": "k"})
        assert answer.status_code == 200 and missing in answer.context["adminform"].form.errors


def test_it_tests_nothing_by_a_mere_link(client: Client, provider: Provider) -> None:
    assert client.get(f"/admin/inference/provider/{provider.pk}/test/").status_code == 405
    assert client.get("/admin/inference/intentmodel/train/").status_code == 405


def test_it_moves_the_revision_with_every_word(
    client: Client, acme: Tenant, globex: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    seen, neighbours = [revision(acme)], revision(globex)
    typed = {"word": "坏词", "category": "c", "action": "block", "is_enabled": "on"}
    for address, form in (
        ("add/", typed),
        ("{pk}/change/", typed | {"action": "mask"}),
        ("{pk}/delete/", {"post": "yes"}),
    ):
        pk = getattr(SensitiveWord.objects.first(), "pk", 0) if len(seen) > 1 else 0
        with django_capture_on_commit_callbacks(execute=True):
            response = client.post("/admin/inference/sensitiveword/" + address.format(pk=pk), form)
        assert response.status_code == 302
        seen.append(revision(acme))
    assert seen == sorted(set(seen))
    assert revision(globex) == neighbours


def test_it_tells_what_screening_makes_of_a_sentence(client: Client, in_acme: Tenant) -> None:
    SensitiveWord.objects.create(word="坏词", category="粗话", action="block")
    page = client.get("/admin/test-sentence/", {"q": "你这个坏·词"}).content.decode()
    assert "Refuse" in page and "粗话" in page and "你这个***" in page
    assert "passes" in client.get("/admin/test-sentence/", {"q": "你好"}).content.decode()


def test_it_takes_many_examples_at_once_and_each_once(client: Client, in_acme: Tenant) -> None:
    inline = {"examples-TOTAL_FORMS": "1", "examples-INITIAL_FORMS": "0", "examples-0-text": "退货"}
    typed = {
        "name": "returns",
        "title": "退货",
        "action": "none",
        "is_enabled": "on",
        "more_examples": "退货\n我要退\n我要退\n",
    }
    response = client.post("/admin/inference/intent/add/", typed | inline)
    assert response.status_code == 302, response.context["errors"]
    assert sorted(IntentExample.objects.values_list("text", flat=True)) == ["我要退", "退货"]
