"""Fills an empty installation with two companies that feel real. Doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files import File

from chat.identity import new_secret
from chat.models import Agent, CannedReply, IdentityKey, Team
from inference import intents
from inference.models import Connector, Intent, IntentExample, SensitiveWord
from kefu.demo import content, tables
from knowledge.indexing import index_document, index_entries
from knowledge.loading import kind_of
from knowledge.models import Document, Entry, KnowledgeBase
from tenants import actions, registry, roles
from tenants.context import inside, outside
from tenants.models import Tenant

Say = Callable[[str], None]
POLICY = (
    "bot_name",
    "greeting",
    "suggestions",
    "accent",
    "disclaimer",
    "opening_hours",
    "offline_text",
    "greeting_en",
    "suggestions_en",
    "disclaimer_en",
    "offline_text_en",
    "tone",
)


def seed(password: str, say: Say = lambda text: None) -> None:
    """The platform and the demo companies; every login gets `password`. What exists already stays as it is."""
    with outside():
        _platform(password)
    for company in content.COMPANIES:
        if registry.tenant_of_schema(company) is None:
            say(f"{company}: schema")
            _add(company)
        tenant = registry.tenant_of_schema(company)
        assert tenant is not None
        with inside(tenant):
            for step in STEPS:
                say(f"{company}: {step.__name__.removeprefix('_')}")
                step(company, password)
        roles.admit(company)  # look-ups to the tables that they read
        actions.touch(tenant)


def _platform(password: str) -> None:
    if not Tenant.objects.filter(schema_name="public").exists():
        actions.add_platform(["localhost", "127.0.0.1"])
    _login("admin", password, is_admin=True)


def _add(company: str) -> None:
    about = content.read(company, "tenant")
    policy = {name: about[name] for name in POLICY if name in about}
    actions.add(company, about["name"], [f"{company}.localhost"], policy=policy)


def _people(company: str, password: str) -> None:
    about = content.read(company, "tenant")
    _login(about["admin"]["username"], password, is_admin=True)
    for person in about["agents"]:
        user = _login(person["username"], password, is_admin=False)
        agent, is_new = Agent.objects.get_or_create(user=user, defaults={"name": person["name"]})
        if is_new and "team" in person:
            Team.objects.get_or_create(name=person["team"])[0].members.add(agent)


def _login(username: str, password: str, *, is_admin: bool) -> User:
    user, is_new = User.objects.get_or_create(
        username=username, defaults={"is_staff": is_admin, "is_superuser": is_admin}
    )
    if is_new:
        user.set_password(password)
        user.save()
    return user


def _words(company: str, password: str) -> None:
    for row in content.read(company, "words"):
        SensitiveWord.objects.get_or_create(word=row["word"], defaults=row)


def _canned_replies(company: str, password: str) -> None:
    for row in content.read(company, "canned"):
        CannedReply.objects.get_or_create(shortcut=row["shortcut"], defaults=row)


def _look_ups(company: str, password: str) -> None:
    """The connectors, and the tables of the company's own that they read."""
    tables.fill(company)
    for row in content.read(company, "connectors"):
        known = {name: value for name, value in row.items() if name != "table"}
        Connector.objects.get_or_create(name=row["name"], defaults=known)


def _identity(company: str, password: str) -> None:
    """With which the demo company's page vouches for its customers, as a site of its own would."""
    IdentityKey.objects.get_or_create(name=content.COMPANIES_KEY, defaults={"secret": new_secret()})


def _intents(company: str, password: str) -> None:
    if Intent.objects.exists():
        return
    for row in content.read(company, "intents"):
        connector = Connector.objects.filter(name=row.get("connector") or "").first()
        intent = Intent.objects.create(
            name=row["name"],
            title=row["title"],
            action=_action(row),
            reply=row.get("reply") or "",
            reply_en=row.get("reply_en") or "",
            connector=connector,
        )
        IntentExample.objects.bulk_create(IntentExample(intent=intent, text=text) for text in row["examples"])
    intents.train()


def _action(row: dict[str, Any]) -> str:
    return "opening_hours" if row["name"] == "opening_hours" else row["action"]


def _entries(company: str, password: str) -> None:
    base = _base(company)
    for row in content.read(company, "entries"):
        source = row.get("source") or {}
        Entry.objects.get_or_create(
            base=base,
            question=row["question"],
            defaults={
                "variants": "\n".join(row["variants"]),
                "answer": row["answer"],
                "mode": row["mode"],
                "source_title": source.get("title", ""),
                "source_url": source.get("url", ""),
            },
        )
    index_entries(Entry.objects.filter(embedding=None))


def _documents(company: str, password: str) -> None:
    for path in content.documents(company):
        if not Document.objects.filter(source_url=_help(path)).exists():
            _add_document(company, path)
    for document in Document.objects.exclude(status=Document.Status.READY):
        index_document(document.pk)


def _add_document(company: str, path: Path) -> None:
    document = Document(
        base=_base(company),
        title=_title(company, path),
        kind=kind_of(path.name) or "txt",
        source_url=_help(path),
        size=path.stat().st_size,
    )
    with path.open("rb") as file:
        document.file.save(path.name, File(file), save=True)


def _title(company: str, path: Path) -> str:
    """As the company lists it; else a Markdown document's own first heading."""
    listed = {row["file"]: row["title"] for row in content.read(company, "tenant").get("documents", ())}
    return listed.get(path.name) or path.read_text(encoding="utf-8").lstrip().splitlines()[0].lstrip("# ")


def _help(path: Path) -> str:
    return f"/demo/help/{path.stem}"


def _base(company: str) -> KnowledgeBase:
    base, _is_new = KnowledgeBase.objects.get_or_create(name=content.read(company, "tenant")["name"])
    return base


STEPS: tuple[Callable[[str, str], None], ...] = (
    _people,
    _words,
    _canned_replies,
    _look_ups,
    _identity,
    _intents,
    _entries,
    _documents,
)
