from __future__ import annotations

import pytest

from chat.models import Visitor
from tenants import actions, registry
from tenants.context import inside
from tenants.models import Tenant
from tenants.tasks import NoTenant, tenant_task


@tenant_task()
def note_visitor(tenant: Tenant, name: str) -> int:
    return Visitor.objects.create(name=f"{name} of {tenant.schema_name}").pk


@pytest.fixture(autouse=True)
def unread(db: None) -> None:
    registry.forget()


def test_it_runs_inside_the_tenant_it_was_sent_for(acme: Tenant, globex: Tenant) -> None:
    pk = note_visitor("acme", "Vera")
    with inside(acme):
        assert Visitor.objects.get(pk=pk).name == "Vera of acme"
    with inside(globex):
        assert not Visitor.objects.exists()


@pytest.mark.parametrize("schema_name", ["", "public", "initech", "acme; --", None])
def test_it_fails_without_a_tenant(db: None, schema_name: str) -> None:
    with pytest.raises(NoTenant):
        note_visitor(schema_name, "Vera")


def test_it_drops_the_work_of_a_suspended_tenant(acme: Tenant) -> None:
    actions.suspend(acme)
    assert note_visitor("acme", "Vera") is None
    with inside(acme):
        assert not Visitor.objects.filter(name__startswith="Vera").exists()
    registry.forget()
