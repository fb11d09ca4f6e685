"""What a tenant may spend on models in a day: counted for it alone, and how much of it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tenants import budgets, usage
from tenants.context import outside
from tenants.hours import now_at
from tenants.models import Policy, Tenant, TokenDay


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    for memory in (usage._unwritten, budgets._known):
        memory.clear()  # type: ignore[attr-defined]
    yield
    usage._unwritten.clear()
    budgets._known.clear()


def use(tenant: Tenant, tokens: int = 0, cost: int = 0) -> None:
    usage._count((tenant.pk, now_at(tenant).date()), tokens, 0, cost)
    usage.write()


@pytest.mark.parametrize(
    ("tokens", "cost", "share"),
    [(0, 0, 0.0), (500, 0, 0.5), (500, 7_500_000, 0.75), (1000, 0, 1.0), (10, 20_000_000, 2.0)],
)
def test_it_is_as_far_as_its_tightest_budget(tokens: int, cost: int, share: float) -> None:
    today = TokenDay(tokens=tokens, cost=cost)
    policy = Policy(day_tokens=1000, day_cost=Decimal("10.00"))
    assert max(one.share for one in budgets.budgets(policy, today)) == share


def test_it_warns_before_it_bites_and_has_no_end_where_none_is_set() -> None:
    policy = Policy(day_tokens=1000)
    told = [budgets.budgets(policy, TokenDay(tokens=n, cost=10**15))[0] for n in (799, 800, 999, 1000)]
    assert [(one.is_near, one.is_used_up) for one in told] == [
        (False, False), (True, False), (True, False), (False, True),
    ]  # fmt: skip
    assert budgets.budgets(Policy(), TokenDay(tokens=10**15, cost=10**15))[1].share == 0


def test_it_counts_each_tenants_day_for_itself(acme: Tenant, globex: Tenant) -> None:
    acme.policy.day_tokens = globex.policy.day_tokens = 1000
    use(acme, 300, 5)
    use(acme, 100, 2)
    with outside():
        row = TokenDay.objects.get(tenant=acme)
        TokenDay.objects.create(tenant=acme, day="2020-01-01", tokens=900, estimated=0)
    assert (row.tokens, row.cost) == (400, 7)
    assert budgets.budgets_of(acme)[0].percent == 40
    assert budgets.budgets_of(globex)[0].used == 0


def test_it_asks_again_when_the_policy_changes_and_never_where_there_is_no_budget(
    live_acme: Tenant, monkeypatch: Any
) -> None:
    asked: list[Tenant] = []
    half = [budgets.Budget("tokens", "", 1, 2)]
    monkeypatch.setattr(budgets, "budgets_of", lambda tenant: asked.append(tenant) or half)

    async def asks() -> None:
        assert await budgets.share_of_day(live_acme) == 0.0 and not asked
        live_acme.policy.day_cost = Decimal(1)
        assert await budgets.share_of_day(live_acme) == await budgets.share_of_day(live_acme) == 0.5
        assert len(asked) == 1
        live_acme.revision += 1
        await budgets.share_of_day(live_acme)
        assert len(asked) == 2

    asyncio.run(asks())
