"""Globex and Acme, each with one row of everything that can be asked for by an id; what is Globex's says so (CANARY)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.test import Client
from django.utils import timezone

from chat import access
from chat.models import (
    Agent,
    Attachment,
    CannedReply,
    Case,
    Conversation,
    Effect,
    Feedback,
    IdentityKey,
    Message,
    Note,
    PendingTurn,
    Team,
    Visitor,
    Webhook,
)
from inference.models import Connector, Intent, IntentModel, Provider, SensitiveWord
from knowledge.models import Document, Entry, KnowledgeBase
from tenants.context import inside
from tenants.models import Policy, Tenant
from tests.admin import browser
from tests.conftest import Chat, make_agent, open_chat

CANARY = "canary-of-globex"
FAR = 7_000_000  # where Globex's numbers begin: none of them is a number of Acme's
SEQUENCES = """
    SELECT pg_get_serial_sequence(format('%I.%I', table_schema, table_name), column_name), table_name
    FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'
"""
FINGERPRINT = "SELECT '{0}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {0} AS t"
# Sessions are stamped by logins, and a page may rewrite its own.
APART = {"django_session", "django_migrations"}


@dataclass
class Company:
    tenant: Tenant
    administrator: User
    agent: Agent
    visitor: Visitor
    token: str
    rows: dict[type[models.Model], models.Model]
    keys: dict[str, str] = field(default_factory=dict)  # of sessions: "administrator", "agent", "expired"

    def client(self, who: str = "administrator") -> Client:
        """A browser on this company's host."""
        client = browser(self.tenant)
        client.cookies["sessionid"] = self.keys[who]
        return client

    def ids(self, model: type[models.Model]) -> str:
        return str(self.rows[model].pk)


@contextmanager
def company(tenant: Tenant, word: str, far: int = 0) -> Iterator[Company]:
    """Everything is gone at the end: these rows are committed."""
    before = {model: _keys(model, tenant) for model in tenant_models()}
    with inside(tenant):
        _count_from(far)
        made = _company(tenant, word)
    yield made
    with inside(tenant), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # in any order
        for model in before:
            model._base_manager.exclude(pk__in=before[model])._raw_delete("default")
        cursor.execute("SET session_replication_role = DEFAULT")


def login(user: User, seconds: float = 3600) -> str:
    """The key of a session that ends in so many seconds. Inside the schema; unlike a real login it writes nothing else."""
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.set_expiry(timezone.now() + timedelta(seconds=seconds))
    session.create()
    return str(session.session_key)


def _keys(model: type[models.Model], tenant: Tenant) -> list[Any]:
    with inside(tenant):
        return list(model._base_manager.values_list("pk", flat=True))


def _count_from(far: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SEQUENCES)
        for sequence, _table in cursor.fetchall():
            cursor.execute(f"SELECT setval('{sequence}', greatest(nextval('{sequence}'), {far + 1}))")


def _company(tenant: Tenant, word: str) -> Company:
    administrator = User.objects.create(username=f"{word} head", is_staff=True, is_superuser=True)
    agent, chat = make_agent(word), open_chat(tenant)
    token = access.visitor_token(tenant, chat.visitor)
    rows = {User: administrator, Agent: agent, Policy: tenant.policy, **_rows(chat, agent, word)}
    made = Company(tenant, administrator, agent, chat.visitor, token, rows)
    made.keys = {
        "administrator": login(administrator),
        "agent": login(agent.user),
        "expired": login(administrator, -1),
    }
    return made


def _attachment(message: Message, word: str) -> Attachment:
    """Whose file is really there."""
    conversation = message.conversation
    path = default_storage.save(f"attachments/{conversation.pk}/{word}", ContentFile(word.encode()))
    return Attachment.objects.create(
        conversation=conversation, message=message, sender_kind=Message.Sender.AGENT, name=word,
        type="text/plain", size=len(word), file=path,
    )  # fmt: skip


def _rows(chat: Chat, agent: Agent, word: str) -> dict[type[models.Model], models.Model]:
    base, now = KnowledgeBase.objects.create(name=word), timezone.now()
    message = Message.objects.create(
        conversation=chat.conversation, seq=1, sender_kind=Message.Sender.BOT, text=word
    )
    Conversation.objects.filter(pk=chat.conversation.pk).update(last_seq=1, reason=word)
    Visitor.objects.filter(pk=chat.visitor.pk).update(name=word)
    turn = PendingTurn.objects.create(
        conversation=chat.conversation,
        through_seq=1,
        epoch=0,
        sent_at=now,
        lease_until=now + timedelta(days=1),
    )
    made = [
        Group.objects.create(name=word),
        base,
        Document.objects.create(base=base, title=word, text=word, status=Document.Status.READY),
        Entry.objects.create(base=base, question=word, answer=word),
        Intent.objects.create(name=word, title=word, reply=word),
        IntentModel.objects.create(onnx=b"-", examples=1),
        SensitiveWord.objects.create(word=word, is_enabled=False),
        Connector.objects.create(name=word, query="SELECT 1", template=word, is_enabled=False),
        Provider.objects.create(
            name=word, base_url="https://models.example/v1", model=word, is_enabled=False
        ),
        Webhook.objects.create(name=word, url="https://hooks.example", secret=word, is_enabled=False),
        IdentityKey.objects.create(name=word, secret=word, is_enabled=False),
        Effect.objects.create(kind=Effect.Kind.WEBHOOK, target=word, payload={}, due_at=now, done_at=now),
        chat.conversation,
        chat.visitor,
        Note.objects.create(conversation=chat.conversation, n=1, agent=agent, text=word),
        _attachment(message, word),
        Case.objects.create(conversation=chat.conversation, text=word),
        Feedback.objects.create(message=message, score=-1, comment=word),
        Team.objects.create(name=word),
        CannedReply.objects.create(shortcut=word, title=word, text=word),
        ContentType.objects.get_for_model(User),
        turn,
    ]
    return {type(row): row for row in made}


def tenant_models() -> list[type[models.Model]]:
    """Whose rows are in a tenant's schema."""
    with_tables = apps.get_models(include_auto_created=True)
    shared = {"tenants", "django_prometheus"}
    return [m for m in with_tables if m._meta.managed and m._meta.app_label not in shared]


def everything() -> dict[str, str]:
    """A fingerprint of each table of all schemas: what was not to change has not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename), tablename FROM pg_tables WHERE schemaname IN ('acme', 'globex', 'public')"
        )
        tables = [name for name, table in cursor.fetchall() if table not in APART]
        cursor.execute(" UNION ALL ".join(FINGERPRINT.format(name) for name in tables))
        return dict(cursor.fetchall())
