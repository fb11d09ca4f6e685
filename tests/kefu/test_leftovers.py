"""What the tests themselves stand on: files of tests do not see each other."""

from __future__ import annotations

from django.contrib.auth.models import Permission

from chat.models import Conversation, Visitor
from tenants.context import inside
from tenants.models import Tenant
from tenants.redis import sync_redis
from tests import leftovers
from tests.conftest import make_agent, open_chat


def test_it_removes_what_tests_have_committed_and_nothing_else(
    live_acme: Tenant, live_globex: Tenant
) -> None:
    for tenant in (live_acme, live_globex):
        with inside(tenant):
            open_chat(tenant)
            make_agent("Ann")
        sync_redis().set(f"kefu:{{{tenant.schema_name}:left}}", b"")
    sync_redis().set("kefu:{hooli:left}", b"")

    leftovers.remove()

    for tenant in (live_acme, live_globex):
        with inside(tenant):
            assert not Conversation.objects.exists() and not Visitor.objects.exists()
            assert Permission.objects.exists()
        assert not sync_redis().exists(f"kefu:{{{tenant.schema_name}:left}}")
    assert Tenant.objects.filter(schema_name__in=("acme", "globex")).count() == 2
    assert sync_redis().delete("kefu:{hooli:left}") == 1
