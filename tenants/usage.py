"""What a tenant uses of its plan, and what happens when it is used up.

Agents, conversations and files are counted where they are, every few minutes by a worker (`chat.usage`). Tokens are counted by the
process that hears them and written within a second, a row for each tenant and day; a worker that is killed takes one second with it.
So nothing of this costs a message a query.

Nobody who visits is turned away by a plan: where its conversations or tokens are used up, the bot goes on without a language model,
from entries, look-ups and passages, and people stay within reach. An agent or a file too many is refused to the administrator.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.context import outside, public_call
from tenants.hours import now_at
from tenants.models import Plan, Tenant, TokenDay, Usage

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two times that tokens are written
FRESH = 10.0  # seconds that a process believes what it read of a tenant's usage
NEAR = 80  # percent of what is allowed, from which people are warned
MB = 1_000_000


@dataclass(frozen=True)
class Quota:
    """What is used of one thing, and how much of it the plan allows; 0: as much as one likes."""

    kind: str
    title: Any
    used: int
    allowed: int

    @property
    def percent(self) -> int:
        return self.used * 100 // self.allowed if self.allowed else 0

    @property
    def is_used_up(self) -> bool:
        return bool(self.allowed) and self.used >= self.allowed

    @property
    def is_near(self) -> bool:
        return self.percent >= NEAR and not self.is_used_up


def quotas(plan: Plan, usage: Usage | None, tokens: int) -> list[Quota]:
    usage = usage or Usage(agents=0, conversations=0, storage_bytes=0)
    return [
        Quota("agents", _("Agents"), usage.agents, plan.agents),
        Quota(
            "conversations",
            _("Conversations this month"),
            usage.conversations,
            plan.conversations,
        ),
        Quota("storage", _("Files, in MB"), -(-usage.storage_bytes // MB), plan.storage_mb),
        Quota("tokens", _("Tokens of language models this month"), tokens, plan.tokens),
    ]


def plan_of(tenant: Tenant) -> Plan:
    """As it is now, whatever `tenant` was when it was read. In the public schema."""
    return Plan.objects.get(tenants=tenant.pk)


def quotas_of(tenant: Tenant, usage: Usage | None) -> list[Quota]:
    with outside():
        plan = plan_of(tenant)
        return quotas(plan, usage, tokens_this_month(tenant)[0])


def month_of(tenant: Tenant) -> datetime:
    """When it began, by the tenant's own calendar."""
    return now_at(tenant).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


# --- Files ------------------------------------------------------------------------------------------------------------


def stored_bytes(tenant: Tenant) -> int:
    """Of everything in the tenant's folder, whoever put it there."""
    return sum(_sizes(Path(settings.MEDIA_ROOT, tenant.schema_name)))


def _sizes(folder: Path) -> Iterable[int]:
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(Path(place, name)).st_size
            except FileNotFoundError:  # removed meanwhile
                continue


def has_room_for(tenant: Tenant, more: int) -> bool:
    """Whether so many bytes more fit into the plan. Queries, and goes through the tenant's files."""
    with outside():
        allowed = plan_of(tenant).storage_mb * MB
    return not allowed or stored_bytes(tenant) + more <= allowed


# --- Tokens -----------------------------------------------------------------------------------------------------------

Day = tuple[int, date]  # a tenant's key, and its day

_lock = threading.Lock()
_unwritten: dict[Day, Counter[str]] = {}
_writing: set[asyncio.Task[None]] = set()


def spend(tenant: Tenant, tokens: int, estimated: int, cost: int = 0) -> None:
    """Counts tokens that models read and wrote, `estimated` of which nobody told, and what they cost. On a loop; does not wait."""
    if not tokens:
        return
    _count((tenant.pk, now_at(tenant).date()), tokens, estimated, cost)
    if not any(task.get_loop() is asyncio.get_running_loop() for task in _writing):
        task = asyncio.get_running_loop().create_task(_write_later())
        _writing.add(task)
        task.add_done_callback(_writing.discard)


def _count(day: Day, tokens: int, estimated: int, cost: int = 0) -> None:
    with _lock:
        _unwritten.setdefault(day, Counter()).update(tokens=tokens, estimated=estimated, cost=cost)


async def _write_later() -> None:
    while _unwritten:
        await asyncio.sleep(EVERY)
        await public_call(write)


def write() -> None:
    """Adds what this process counted to the rows. What cannot be written is kept for the next time."""
    with _lock:
        counted = sorted(_unwritten.items())
        _unwritten.clear()
    for number, (day, tokens) in enumerate(counted):
        try:
            _add(day, tokens)
        except DatabaseError:
            logger.warning("Tokens could not be written yet")
            for late, of_it in counted[number:]:
                _count(late, of_it["tokens"], of_it["estimated"], of_it["cost"])
            return


def _add(day: Day, counted: Counter[str]) -> None:
    tenant, date_ = day
    with outside(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenants_tokenday (tenant_id, day, tokens, estimated, cost)"
            " SELECT id, %s, %s, %s, %s FROM tenants_tenant WHERE id = %s"  # not of a tenant that was erased meanwhile
            " ON CONFLICT (tenant_id, day) DO UPDATE SET tokens = tenants_tokenday.tokens + excluded.tokens,"
            " estimated = tenants_tokenday.estimated + excluded.estimated, cost = tenants_tokenday.cost + excluded.cost",
            [date_, counted["tokens"], counted["estimated"], counted["cost"], tenant],
        )


def tokens_this_month(tenant: Tenant) -> tuple[int, int]:
    """All of them, and how many of them are estimated. In the public schema."""
    rows = TokenDay.objects.filter(tenant=tenant.pk, day__gte=month_of(tenant).date())
    sums = rows.aggregate(tokens=Sum("tokens"), estimated=Sum("estimated"))
    return sums["tokens"] or 0, sums["estimated"] or 0


def estimated_share(tenant: Tenant) -> int:
    """In percent of this month's tokens."""
    with outside():
        tokens, estimated = tokens_this_month(tenant)
    return estimated * 100 // tokens if tokens else 0


# --- All tenants at once ----------------------------------------------------------------------------------------------


def with_usage(tenants: QuerySet[Tenant]) -> QuerySet[Tenant]:
    """Each with its plan, its `usage` as last measured, and `tokens` of this month by the operator's calendar."""
    month = timezone.localdate().replace(day=1)
    days = TokenDay.objects.filter(tenant=OuterRef("pk"), day__gte=month).order_by()
    tokens = days.values("tenant").annotate(sum=Sum("tokens")).values("sum")
    found: QuerySet[Tenant] = tenants.select_related("plan", "usage").annotate(
        tokens=Coalesce(Subquery(tokens), 0)
    )
    return found


def standing(tenant: Any) -> list[Quota]:
    """Of a tenant that came `with_usage`."""
    return quotas(tenant.plan, getattr(tenant, "usage", None), tenant.tokens)


def near_a_limit() -> list[tuple[Tenant, list[Quota]]]:
    """Who is near a limit or over it, with what."""
    found = []
    for tenant in with_usage(Tenant.objects.exclude(schema_name="public").order_by("name")):
        if pressing := [quota for quota in standing(tenant) if quota.is_near or quota.is_used_up]:
            found.append((tenant, pressing))
    return found


# --- Whether a model may be asked -------------------------------------------------------------------------------------

_known: dict[
    str, tuple[int, float, str]
] = {}  # by schema: the tenant's revision, when it was read, what is used up


async def used_up(tenant: Tenant) -> str:
    """What ends the use of language models: "tokens", "conversations", or nothing. Read anew when older than `FRESH`."""
    revision, read_at, what = _known.get(tenant.schema_name, (0, float("-inf"), ""))
    if revision != tenant.revision or time.monotonic() - read_at > FRESH:
        what = await public_call(_used_up, tenant)
        _known[tenant.schema_name] = (tenant.revision, time.monotonic(), what)
    return what


def _used_up(tenant: Tenant) -> str:
    plan = plan_of(tenant)
    if not plan.tokens and not plan.conversations:
        return ""
    usage = Usage.objects.filter(tenant=tenant.pk, measured_at__gte=month_of(tenant)).first()
    for quota in quotas(plan, usage, tokens_this_month(tenant)[0]):
        if quota.kind in ("tokens", "conversations") and quota.is_used_up:
            return quota.kind
    return ""
