from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from tenants import actions, registry
from tenants.context import outside
from tenants.models import Domain, Policy, Tenant

# H22: what must never reach SQL as a schema's name
BAD_NAMES = [
    "a','public",
    'a"; DROP SCHEMA acme; --',
    "pg_catalog;",
    "Acme",
    "ACME",
    "1acme",
    "_acme",
    "ac me",
    "ac-me",
    "acme\n",
    "acmé",
    "公司",
    "😀",
    "",
    "a" * 41,
    "a" * 64,
]
RESERVED_NAMES = ["pg_x", "pg_catalog", "pg_temp_1", "information_schema", "_template"]


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("name", BAD_NAMES + RESERVED_NAMES + ["public", "template", "extensions"])
def test_it_refuses_a_schema_name_before_it_reaches_sql(db: None, name: str) -> None:
    before = schemas()
    with pytest.raises(ValidationError):
        actions.add(name, "Bad", ["bad.example"])
    assert schemas() == before
    assert not Domain.objects.filter(domain="bad.example").exists()


@pytest.mark.parametrize("name", [n for n in BAD_NAMES if len(n) <= 40] + RESERVED_NAMES)
def test_it_refuses_a_schema_name_in_the_database_too(db: None, name: str) -> None:
    tenant = Tenant(schema_name="fine", name="Bad")
    with outside():
        tenant.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            Tenant.objects.filter(pk=tenant.pk).update(schema_name=name)


def test_it_refuses_a_name_that_is_taken(db: None) -> None:
    with pytest.raises(ValidationError, match="acme"):
        actions.add("acme", "Another Acme", ["another.example"])
    assert Tenant.objects.filter(schema_name="acme").count() == 1


def test_it_leaves_nothing_behind_when_a_host_is_taken(committed: None) -> None:
    with pytest.raises(ValidationError, match=r"acme\.localhost"):
        actions.add("initech", "Initech", ["initech.localhost", "acme.localhost"])
    assert "initech" not in schemas()
    assert not Tenant.objects.filter(schema_name="initech").exists()
    assert not Domain.objects.filter(domain="initech.localhost").exists()
    registry.forget()
    found = registry.tenant_of_host("acme.localhost")
    assert found and found.schema_name == "acme"


def test_it_adds_a_tenant_with_its_own_tables_and_policy(committed: None) -> None:
    tenant = actions.add("initech", "Initech", ["Initech.localhost"], policy={"bot_name": "Milton"})
    try:
        found = registry.tenant_of_host("initech.localhost")
        assert found and found.policy.bot_name == "Milton"
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM initech.chat_message")
            assert cursor.fetchone() == (0,)
            cursor.execute("SELECT to_regclass('initech.tenants_tenant')")
            assert cursor.fetchone() == (None,)
        assert Policy.objects.get(tenant__schema_name="acme").bot_name != "Milton"
    finally:
        with outside():
            tenant.delete(force_drop=True)
        registry.forget()
    assert "initech" not in schemas()
