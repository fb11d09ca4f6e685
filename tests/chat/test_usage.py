"""Quotas as a tenant's administrator meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from chat import tasks, usage
from chat.models import Agent
from knowledge.models import Document, KnowledgeBase
from tenants.context import inside, outside
from tenants.models import Tenant, Usage
from tests.admin import administrator
from tests.conftest import Chat, make_agent
from tests.tenants.test_usage import put_on, use_tokens

NEW_AGENT = {
    "name": "Cid",
    "username": "cid",
    "password": "long-enough-7",
    "limit": "5",
    "is_active": "on",
}


def test_it_adds_no_agent_beyond_the_plan(acme: Tenant, globex: Tenant, ann: Agent) -> None:
    put_on(acme, agents=usage.active_agents())
    for tenant, status in ((acme, 200), (globex, 302)):
        assert administrator(tenant).post("/admin/chat/agent/add/", NEW_AGENT).status_code == status
    page = administrator(acme).post("/admin/chat/agent/add/", NEW_AGENT)
    assert "Your plan allows no further agent" in page.content.decode()
    with inside(acme):
        assert not Agent.objects.filter(name="Cid").exists()
    with inside(globex):
        assert Agent.objects.filter(name="Cid").exists()


def test_it_lets_agents_that_are_there_be_edited_beyond_the_plan(
    acme: Tenant, ann: Agent, bob: Agent
) -> None:
    put_on(acme, agents=1)
    typed = NEW_AGENT | {"name": "Anna", "username": ann.user.username, "password": ""}
    response = administrator(acme).post(f"/admin/chat/agent/{ann.pk}/change/", typed)
    assert response.status_code == 302
    ann.refresh_from_db()
    assert ann.name == "Anna"


def test_it_lets_a_deactivated_agent_come_back_only_where_there_is_room(
    acme: Tenant, ann: Agent, bob: Agent
) -> None:
    put_on(acme, agents=usage.active_agents() - 1)
    client = administrator(acme)
    chosen = {"_selected_action": [ann.pk]}
    client.post("/admin/chat/agent/", {"action": "deactivate", **chosen})
    client.post("/admin/chat/agent/", {"action": "activate", **chosen})
    assert not Agent.objects.get(pk=ann.pk).user.is_active
    client.post(f"/admin/auth/user/{ann.user.pk}/change/", {"username": ann.user.username, "is_active": "on"})
    assert not Agent.objects.get(pk=ann.pk).user.is_active
    put_on_more = acme.plan
    put_on_more.agents += 1
    with outside():
        put_on_more.save()
    client.post("/admin/chat/agent/", {"action": "activate", **chosen})
    assert Agent.objects.get(pk=ann.pk).user.is_active


def test_it_takes_no_file_beyond_the_plan(
    acme: Tenant, in_acme: Tenant, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(settings, "MEDIA_ROOT", tmp_path)
    put_on(acme, storage_mb=1)
    base = KnowledgeBase.objects.create(name="B")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "old").write_bytes(b"x" * 1_000_000)
    file = SimpleUploadedFile("a.txt", b"seven days")
    page = administrator(acme).post(
        "/admin/knowledge/document/add/", {"base": base.pk, "kind": "md", "uploads": [file]}
    )
    assert page.status_code == 200 and "Your plan has no room" in page.content.decode()
    assert not Document.objects.exists()


def test_it_counts_what_is_in_the_tenants_own_schema(
    acme: Tenant, globex: Tenant, vera: Chat, ann: Agent
) -> None:
    before = usage.counted(acme).conversations
    vera.conversation.last_seq = 1
    vera.conversation.save()
    assert usage.counted(acme).conversations == before + 1
    assert usage.counted(acme).agents == usage.active_agents() >= 1
    with inside(globex):
        theirs = usage.active_agents()
        make_agent("Gus")
        assert usage.active_agents() == theirs + 1


def test_it_measures_everybody_although_one_fails(acme: Tenant, globex: Tenant, monkeypatch: Any) -> None:
    def counted(tenant: Tenant) -> Usage:
        if tenant.schema_name == "acme":
            raise OSError
        return Usage(tenant=tenant, agents=3, conversations=2, storage_bytes=1)

    monkeypatch.setattr(usage, "counted", counted)
    tasks.measure()
    with outside():
        assert list(Usage.objects.values_list("tenant__schema_name", "agents")) == [("globex", 3)]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(799, ""), (800, "80 % used."), (1000, "the bot answers without a language model")],
)
def test_it_shows_a_limit_before_it_bites(acme: Tenant, globex: Tenant, tokens: int, said: str) -> None:
    put_on(acme, tokens=1000)
    use_tokens(acme, tokens)
    page = administrator(acme).get("/admin/").content.decode()
    assert f"{tokens:,} / 1,000" in page
    for words in ("% used.", "the bot answers without a language model"):
        assert (words in page) == (bool(said) and words in said)
    assert "/ 1,000" not in administrator(globex).get("/admin/").content.decode()
