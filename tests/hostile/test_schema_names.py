"""H22: names that would mean something to SQL become no tenant's: not in the form, not in the model, not in the database."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction

from tenants.admin_forms import NewTenantForm
from tenants.context import outside
from tenants.models import Plan, Tenant

NAMES = [
    "a','public", 'a"; DROP SCHEMA acme CASCADE; --', "a$$b", "a\\b", "../acme", "a.b", "a b", "a-b", "A", "Acme", "ACME", "1a", "_a",
    "_template", "pg_x", "pg_catalog", "pg_temp_1", "PG_x", "information_schema", "acme\n", "acme\r", "acme\t", "ａｃｍｅ", "аcme",
    "acmé", "公司", "😀", "", " ", "a" * 41, "a" * 64, "a" * 1000, "{{7*7}}", "%s",
]  # fmt: skip


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("name", NAMES)
def test_h22_a_hostile_schema_name_is_refused_in_all_three_places(db: None, name: str) -> None:
    before = schemas()
    with outside():
        typed = {
            "schema_name": name, "name": "Bad", "locale": "en", "time_zone": "Asia/Shanghai", "plan": Plan.FIRST,
            "host": "bad.example", "username": "head", "password": "correct horse battery",
        }  # fmt: skip
        form = NewTenantForm(typed)
        if name.strip() == name or not name.strip():
            assert not form.is_valid() and [*form.errors] == ["schema_name"]
        else:  # typed with a space or a line's end behind it: what is kept is the name that is meant
            assert form.is_valid() or [*form.errors] == ["schema_name"]
            assert form.cleaned_data.get("schema_name", name.strip()) == name.strip()
        with pytest.raises(ValidationError) as refused:
            Tenant(schema_name=name, name="Bad").full_clean()
        assert "schema_name" in refused.value.message_dict
        row = Tenant.objects.create(schema_name="fine", name="Bad")
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            Tenant.objects.filter(pk=row.pk).update(schema_name=name)
        assert Tenant.objects.get(pk=row.pk).schema_name == "fine"
    assert schemas() == before


def test_h22_the_form_takes_a_good_name(db: None) -> None:
    """Or the test above would pass with any."""
    typed = {
        "schema_name": "initech", "name": "Initech", "locale": "en", "time_zone": "Asia/Shanghai", "plan": Plan.FIRST,
        "host": "initech.example", "username": "head", "password": "correct horse battery",
    }  # fmt: skip
    with outside():
        form = NewTenantForm(typed)
        assert form.is_valid(), form.errors
