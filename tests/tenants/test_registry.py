from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from tenants import actions, registry
from tenants.context import outside
from tenants.models import Domain, Tenant


@pytest.fixture(autouse=True)
def unread(db: None) -> Iterator[None]:
    """The snapshot outlives a test's transaction: it is read again before and after."""
    registry.forget()
    yield
    registry.forget()


@pytest.mark.parametrize(
    "host",
    [
        "acme.localhost",
        "acme.localhost:8000",
        "ACME.localhost:443",
        "www.acme.localhost",
        "Www.Acme.Localhost:80",
    ],
)
def test_it_finds_a_tenant_by_host(host: str) -> None:
    found = registry.tenant_of_host(host)
    assert found and found.schema_name == "acme"


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":",
        "evil.example",
        "xacme.localhost",
        "acme.localhost.evil.example",
        "evil.acme.localhost",
        "[::1]:80",
    ],
)
def test_it_finds_nobody_by_another_host(host: str) -> None:
    assert registry.tenant_of_host(host) is None


def test_it_answers_health_checks_that_know_no_host(client: Client) -> None:
    Domain.objects.filter(domain="localhost").update(domain="platform.example")
    registry.forget()
    assert client.get("/healthz", HTTP_HOST="10.0.0.5:8000").content == b"ok"
    assert client.get("/readyz", HTTP_HOST="10.0.0.5:8000").status_code == 200


def test_it_turns_away_the_visitors_of_a_suspended_tenant_only(acme: Tenant, client: Client) -> None:
    actions.suspend(acme)
    assert client.get("/jsi18n/", HTTP_HOST="acme.localhost").status_code == 503
    assert client.get("/jsi18n/", HTTP_HOST="globex.localhost").status_code == 200
    actions.resume(acme)
    assert client.get("/jsi18n/", HTTP_HOST="acme.localhost").status_code == 200


def test_it_lists_only_active_companies(acme: Tenant) -> None:
    actions.suspend(acme)
    assert [tenant.schema_name for tenant in registry.active_tenants()] == ["globex"]


def test_it_sees_a_touched_tenant_at_once(acme: Tenant, globex: Tenant) -> None:
    before = registry.tenant_of_schema("acme")
    actions.touch(acme)
    after = registry.tenant_of_schema("acme")
    assert before and after and after.revision == before.revision + 1
    with outside():
        assert Tenant.objects.get(schema_name="globex").revision == globex.revision


def test_it_reads_the_database_once_for_many_look_ups(django_assert_num_queries: object) -> None:
    registry.tenant_of_host("acme.localhost")
    with django_assert_num_queries(0):
        for _ in range(100):
            registry.tenant_of_host("acme.localhost")
            registry.tenant_of_host("evil.example")


async def test_it_knows_a_tenant_as_it_is_now(acme: Tenant) -> None:
    # Within the test's transaction only this thread sees the row: what it read counts as fresh for a while.
    from asgiref.sync import sync_to_async

    await sync_to_async(registry.tenant_of_schema)("acme")
    now = await registry.current(acme)
    assert now and now.pk == acme.pk
    assert await registry.current(Tenant(schema_name="erased")) is None
