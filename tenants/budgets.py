"""What a tenant may spend on language models in a day, by its policy, and what follows: near the end light answers, then none by a model.

Costs are millionths of the currency in which the tenant wrote its prices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from tenants.context import outside, public_call
from tenants.hours import now_at
from tenants.models import Policy, Tenant, TokenDay
from tenants.usage import FRESH

MICRO = 1_000_000
NEAR = 0.8  # of a budget, from which on answers are light


@dataclass(frozen=True)
class Budget:
    kind: str
    title: Any
    used: float
    allowed: float  # 0: as much as one likes

    @property
    def share(self) -> float:
        return self.used / self.allowed if self.allowed else 0.0

    @property
    def percent(self) -> int:
        return int(100 * self.share)

    @property
    def is_near(self) -> bool:
        return NEAR <= self.share < 1

    @property
    def is_used_up(self) -> bool:
        return self.share >= 1


def budgets(policy: Policy, today: TokenDay | None) -> list[Budget]:
    today = today or TokenDay(tokens=0, cost=0)
    return [
        Budget("tokens", _("Tokens today"), today.tokens, policy.day_tokens),
        Budget("cost", _("Cost of language models today"), today.cost / MICRO, float(policy.day_cost)),
    ]


def today_of(tenant: Tenant) -> TokenDay | None:
    with outside():
        return TokenDay.objects.filter(tenant=tenant.pk, day=now_at(tenant).date()).first()


def budgets_of(tenant: Tenant) -> list[Budget]:
    """By the tenant's own calendar."""
    return budgets(tenant.policy, today_of(tenant))


_known: dict[
    str, tuple[int, float, float]
] = {}  # by schema: the tenant's revision, when it was read, the share


async def share_of_day(tenant: Tenant) -> float:
    """How much of the tightest budget of today is spent, 1: all. Read anew when older than `FRESH`."""
    if not (tenant.policy.day_tokens or tenant.policy.day_cost):
        return 0.0
    revision, read_at, share = _known.get(tenant.schema_name, (0, float("-inf"), 0.0))
    if revision != tenant.revision or time.monotonic() - read_at > FRESH:
        found = await public_call(budgets_of, tenant)
        share = max(budget.share for budget in found)
        _known[tenant.schema_name] = (tenant.revision, time.monotonic(), share)
    return share
