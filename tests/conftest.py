"""The cast: Acme and Globex, two companies on one installation. Ann answers for Acme, Gus for Globex, Vera visits Acme."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.utils import timezone

from chat import actions as chat_actions
from chat.models import Agent, Conversation, Visitor
from tenants import actions, fleet
from tenants.context import inside
from tenants.models import Tenant
from tests import leftovers

# A password costs what guessing it should: a quarter of a second, a thousand times over. The hash says how often it was gone over,
# so that a process of the product's own checks it as any other.
PBKDF2PasswordHasher.iterations = 1

# What serves the static files is asynchronous alone: for its sake each request of Django's test client would pass through other threads
# and back, which takes it longer than all the rest. The web processes that tests start have it.
settings.MIDDLEWARE.remove("servestatic.middleware.ServeStaticMiddleware")


@pytest.fixture(scope="session")
def django_db_setup(services: None, django_db_blocker: object) -> Iterator[None]:
    """The real schema layout instead of one test database: public, and a schema for each company."""
    with django_db_blocker.unblock():
        fleet.migrate()
        actions.add_platform(["localhost"])
        for schema, name in (("acme", "Acme"), ("globex", "Globex")):
            actions.add(schema, name, [f"{schema}.localhost"])
        leftovers.remember()
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    yield
    if nextitem and nextitem.path != item.path:
        leftovers.remove()


@pytest.fixture
def acme(db: None) -> Tenant:
    """In a test's own transaction, which is rolled back."""
    return Tenant.objects.select_related("policy", "plan").get(schema_name="acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    return Tenant.objects.select_related("policy", "plan").get(schema_name="globex")


@pytest.fixture
def in_acme(acme: Tenant) -> Iterator[Tenant]:
    with inside(acme):
        yield acme


@pytest.fixture
def in_globex(globex: Tenant) -> Iterator[Tenant]:
    with inside(globex):
        yield globex


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """No transaction around the test: for what happens on commit, on other connections or in coroutines.

    What such a test writes stays until its file ends; it works on visitors and conversations of its own.
    """
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def live_acme(committed: None) -> Tenant:
    return Tenant.objects.select_related("policy", "plan").get(schema_name="acme")


@pytest.fixture
def live_globex(committed: None) -> Tenant:
    return Tenant.objects.select_related("policy", "plan").get(schema_name="globex")


@dataclass
class Chat:
    """Vera in a conversation of her own, and who may answer her."""

    tenant: Tenant
    visitor: Visitor
    conversation: Conversation

    def now(self) -> Conversation:
        return Conversation.objects.select_related("agent", "visitor").get(pk=self.conversation.pk)


def open_chat(tenant: Tenant) -> Chat:
    """Inside the tenant's schema."""
    visitor, conversation = chat_actions.start_session(None, "en", {})
    return Chat(tenant, visitor, conversation)


def make_agent(name: str) -> Agent:
    """Inside a tenant's schema; logs in with the password `name`."""
    user = User.objects.create_user(f"{name.lower()}-{uuid.uuid4().hex[:8]}", password=name)
    return Agent.objects.create(user=user, name=name, presence=Agent.Presence.ONLINE, seen_at=timezone.now())


@pytest.fixture
def vera(in_acme: Tenant) -> Chat:
    return open_chat(in_acme)


@pytest.fixture
def ann(in_acme: Tenant) -> Agent:
    return make_agent("Ann")


@pytest.fixture
def bob(in_acme: Tenant) -> Agent:
    """Ann's colleague at Acme."""
    return make_agent("Bob")
