"""What a tenant uses of its plan: counted for it alone, and what follows when it is used up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError

from tenants import usage
from tenants.context import outside
from tenants.hours import now_at
from tenants.models import Plan, Tenant, TokenDay, Usage


def put_on(tenant: Tenant, **limits: int) -> Plan:
    """A plan of its own."""
    with outside():
        plan = Plan.objects.create(name=f"of {tenant.schema_name}", **limits)
        Tenant.objects.filter(pk=tenant.pk).update(plan=plan)
    tenant.plan = plan
    return plan


def use(tenant: Tenant, **used: int) -> None:
    with outside():
        Usage.objects.update_or_create(
            tenant=tenant, defaults={"agents": 0, "conversations": 0, "storage_bytes": 0} | used
        )


def use_tokens(tenant: Tenant, tokens: int, estimated: int = 0) -> None:
    with outside():
        TokenDay.objects.filter(tenant=tenant).delete()
        TokenDay.objects.create(tenant=tenant, day=now_at(tenant), tokens=tokens, estimated=estimated)


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    usage._unwritten.clear()
    usage._known.clear()
    yield
    usage._unwritten.clear()
    usage._known.clear()


def tokens_of(tenant: Tenant) -> list[tuple[int, int]]:
    with outside():
        return list(TokenDay.objects.filter(tenant=tenant).values_list("tokens", "estimated"))


def test_it_gives_everybody_a_plan_without_limits(acme: Tenant) -> None:
    assert acme.plan_id == Plan.FIRST
    use_tokens(acme, 10**12)
    assert [quota.is_used_up or quota.is_near for quota in usage.quotas_of(acme, None)] == [False] * 4
    assert usage._used_up(acme) == ""


def test_it_adds_tokens_to_the_day_of_the_tenant_that_used_them(acme: Tenant, globex: Tenant) -> None:
    day = now_at(acme).date()
    for tokens, estimated in ((100, 0), (20, 20)):
        usage._count((acme.pk, day), tokens, estimated)
        usage.write()
    usage.write()
    assert tokens_of(acme) == [(120, 20)]
    assert tokens_of(globex) == []


def test_it_counts_nothing_for_a_tenant_that_is_gone_and_all_for_the_others(acme: Tenant) -> None:
    day = now_at(acme).date()
    usage._count((acme.pk, day), 5, 0)
    usage._count((10**9, day), 7, 0)
    usage.write()
    assert tokens_of(acme) == [(5, 0)]
    assert not usage._unwritten


def test_it_keeps_tokens_until_the_database_takes_them(acme: Tenant, monkeypatch: Any) -> None:
    day = now_at(acme).date()
    usage._count((acme.pk, day), 5, 1)
    with monkeypatch.context() as broken:
        broken.setattr(usage, "_add", lambda *_: (_ for _ in ()).throw(DatabaseError()))
        usage.write()
    assert tokens_of(acme) == []
    usage._count((acme.pk, day), 5, 0)
    usage.write()
    assert tokens_of(acme) == [(10, 1)]


def test_it_ends_the_use_of_models_at_the_limit_and_not_before(acme: Tenant, globex: Tenant) -> None:
    put_on(acme, tokens=1000, conversations=10)
    use_tokens(acme, 999)
    use(acme, conversations=9)
    assert usage._used_up(acme) == ""
    use_tokens(acme, 1000)
    assert usage._used_up(acme) == "tokens"
    use_tokens(acme, 0)
    use(acme, conversations=10)
    assert usage._used_up(acme) == "conversations"
    assert usage._used_up(globex) == ""


def test_it_begins_anew_with_the_month(acme: Tenant) -> None:
    put_on(acme, tokens=1000, conversations=10)
    before = usage.month_of(acme).replace(day=1)
    with outside():
        TokenDay.objects.create(tenant=acme, day=before.date().replace(year=2020), tokens=5000, estimated=0)
        use(acme, conversations=50)
        Usage.objects.filter(tenant=acme).update(measured_at=before.replace(year=2020))
    assert usage._used_up(acme) == ""


def test_it_believes_a_limit_no_longer_than_the_plan(live_acme: Tenant, monkeypatch: Any) -> None:
    """A plan that is raised moves the revision: nobody waits until what a process knows is old."""
    asked: list[Tenant] = []
    monkeypatch.setattr(usage, "_used_up", lambda tenant: asked.append(tenant) or "tokens")

    async def asks() -> None:
        assert await usage.used_up(live_acme) == "tokens"
        assert await usage.used_up(live_acme) == "tokens"
        assert len(asked) == 1
        live_acme.revision += 1
        assert await usage.used_up(live_acme) == "tokens"
        assert len(asked) == 2

    asyncio.run(asks())


def test_it_writes_what_was_spent_without_anybody_waiting(live_acme: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(usage, "EVERY", 0.0)
    before = tokens_of(live_acme)

    async def answers() -> None:
        usage.spend(live_acme, 30, 10)
        usage.spend(live_acme, 0, 0)
        await asyncio.gather(*usage._writing)

    asyncio.run(answers())
    tokens, estimated = before[0] if before else (0, 0)
    assert tokens_of(live_acme) == [(tokens + 30, estimated + 10)]
    with outside():
        TokenDay.objects.filter(tenant=live_acme).delete()


def test_it_has_room_for_files_as_long_as_the_plan_has(
    acme: Tenant, globex: Tenant, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(settings, "MEDIA_ROOT", tmp_path)
    put_on(acme, storage_mb=1)
    place = tmp_path / "acme" / "deep"
    place.mkdir(parents=True)
    (place / "file").write_bytes(b"x" * 600_000)
    (tmp_path / "globex").mkdir()
    (tmp_path / "globex" / "file").write_bytes(b"x" * 5_000_000)
    assert usage.stored_bytes(acme) == 600_000
    assert usage.has_room_for(acme, 400_000)
    assert not usage.has_room_for(acme, 400_001)
    assert usage.has_room_for(globex, 10**12)


@pytest.mark.parametrize(
    ("used", "near", "full"),
    [(79, False, False), (80, True, False), (99, True, False), (100, False, True), (130, False, True)],
)
def test_it_warns_before_a_limit_bites(used: int, near: bool, full: bool) -> None:
    quota = usage.Quota("tokens", "", used, 100)
    assert (quota.is_near, quota.is_used_up) == (near, full)


def test_it_tells_the_operator_who_is_near_a_limit(acme: Tenant, globex: Tenant) -> None:
    put_on(acme, tokens=100, agents=10)
    put_on(globex, tokens=100, agents=10)
    use_tokens(acme, 85)
    use_tokens(globex, 10)
    with outside():
        found = [
            (tenant.name, [quota.kind for quota in pressing]) for tenant, pressing in usage.near_a_limit()
        ]
    assert found == [("Acme", ["tokens"])]
