"""Documents come in as files or text and are indexed by a worker; entries are found as soon as they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from redis import Redis

from knowledge.models import Document, Entry, KnowledgeBase
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, revision

ADD = "/admin/knowledge/document/add/"


@pytest.fixture
def base(in_acme: Tenant) -> KnowledgeBase:
    return KnowledgeBase.objects.create(name="帮助")


@pytest.fixture
def client(acme: Tenant) -> Client:
    return administrator(acme)


@pytest.fixture
def queue() -> Any:
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.delete("work")
        yield lambda: redis.llen("work")
        redis.delete("work")


def form(base: KnowledgeBase, *files: SimpleUploadedFile, **more: Any) -> dict[str, Any]:
    return {
        "base": base.pk,
        "kind": "md",
        "title": "",
        "source_url": "",
        "text": "",
        "uploads": files,
        **more,
    }


def file(name: str, content: bytes = b"# A\n\ntext") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_it_takes_several_files_at_once_and_queues_each(
    client: Client, base: KnowledgeBase, queue: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(ADD, form(base, file("退货.md"), file("表.csv", b"a,b"), source_url="/help/"))
    assert response.status_code == 302, response.context["errors"]
    rows = {row.title: row for row in Document.objects.all()}
    assert {title: row.kind for title, row in rows.items()} == {"退货": "md", "表": "csv"}
    assert all(row.status == "queued" and row.source_url == "/help/" for row in rows.values())
    assert rows["退货"].file.name.startswith("documents/")
    assert queue() == 2


@pytest.mark.parametrize("name", ["virus.exe", "photo.png", "noending", "archive.zip"])
def test_it_refuses_files_that_cannot_be_read(client: Client, base: KnowledgeBase, name: str) -> None:
    response = client.post(ADD, form(base, file("good.md"), file(name)))
    assert response.status_code == 200
    assert not Document.objects.exists()


def test_it_wants_either_files_or_a_text_with_a_title(client: Client, base: KnowledgeBase) -> None:
    for wrong in (form(base), form(base, text="无标题"), form(base, file("a.md"), text="both", title="t")):
        assert client.post(ADD, wrong).status_code == 200
    assert not Document.objects.exists()
    assert client.post(ADD, form(base, text="七天内", title="退货")).status_code == 302
    assert Document.objects.get().text == "七天内"


def test_it_indexes_again_what_failed(
    client: Client, base: KnowledgeBase, queue: Any, django_capture_on_commit_callbacks: Any
) -> None:
    failed = Document.objects.create(
        base=base, title="坏", text="t", status="failed", reason="It is damaged."
    )
    assert "It is damaged." in client.get("/admin/knowledge/document/").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/admin/knowledge/document/", {"action": "index_again", "_selected_action": [failed.pk]})
    failed.refresh_from_db()
    assert (failed.status, failed.reason) == ("queued", "")
    assert queue() == 1


def test_it_gives_files_back_as_downloads_and_to_nobody_else(
    client: Client, base: KnowledgeBase, acme: Tenant, globex: Tenant
) -> None:
    client.post(ADD, form(base, file("page.html", b"<script>alert(1)</script>")))
    address = f"/admin/knowledge/document/{Document.objects.get().pk}/file/"
    response = client.get(address)
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Type"] == "application/octet-stream"
    assert administrator(globex).get(address).status_code == 404
    assert Client(HTTP_HOST="acme.localhost").get(address).status_code == 302


def test_it_keeps_each_tenants_files_in_a_folder_of_its_own(
    client: Client, base: KnowledgeBase, acme: Tenant, globex: Tenant
) -> None:
    client.post(ADD, form(base, file("own.md")))
    with inside(acme):
        name = Document.objects.get().file.name
        assert Path(default_storage.path(name)).parents[3] == settings.MEDIA_ROOT / "acme"
    with inside(globex):
        assert not default_storage.exists(name)


def test_it_sends_away_who_asks_for_a_document_that_cannot_be(client: Client) -> None:
    for row in ("abc", "9" * 30, "1; DROP"):
        assert client.get(f"/admin/knowledge/document/{row}/change/").status_code == 302


@pytest.mark.parametrize(
    "way",
    [
        "/admin/knowledge/document/",
        "/admin/knowledge/document/{row}/delete/",
        "/admin/knowledge/knowledgebase/",
        "/admin/knowledge/knowledgebase/{base}/delete/",
    ],
)
def test_it_removes_the_file_with_the_document(
    client: Client, base: KnowledgeBase, acme: Tenant, django_capture_on_commit_callbacks: Any, way: str
) -> None:
    client.post(ADD, form(base, file("gone.md")))
    with inside(acme):
        row = Document.objects.get()
        assert row.file.storage.exists(row.file.name)
    chosen = {
        "action": "delete_selected",
        "_selected_action": [base.pk if "base" in way else row.pk],
        "post": "yes",
    }
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(way.format(base=base.pk, row=row.pk), chosen).status_code == 302
    with inside(acme):
        assert not Document.objects.exists()
        assert not row.file.storage.exists(row.file.name)


def test_it_indexes_an_entry_when_it_is_saved_and_tells_every_process(
    client: Client, base: KnowledgeBase, acme: Tenant, globex: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    before, neighbours = revision(acme), revision(globex)
    typed = {
        "base": base.pk,
        "question": "能退货吗",
        "variants": "可以退吗",
        "answer": "可以",
        "mode": "verbatim",
        "is_enabled": "on",
    }
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post("/admin/knowledge/entry/add/", typed)
    assert response.status_code == 302, response.context["errors"]
    entry = Entry.objects.get()
    assert entry.embedding is not None and entry.terms
    assert revision(acme) > before
    assert revision(globex) == neighbours


def test_it_tells_what_a_question_would_find(client: Client, base: KnowledgeBase, acme: Tenant) -> None:
    typed = {
        "base": base.pk,
        "question": "运费谁出",
        "answer": "我们出",
        "mode": "verbatim",
        "is_enabled": "on",
    }
    client.post("/admin/knowledge/entry/add/", typed)
    page = client.get("/admin/hit-test/", {"q": "运费谁出"}).content.decode()
    assert "我们出" in page and "1.000" in page
