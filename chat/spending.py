"""What each visitor's answers cost in a day: one who asks without end uses up their own share, and nobody else's."""

from __future__ import annotations

import asyncio
import logging
from datetime import date, timedelta
from uuid import UUID

from django.db import DatabaseError, connection

from chat.models import VisitorDay
from inference.turn import Tokens
from tenants import usage
from tenants.context import database_call
from tenants.gather import of_tenants
from tenants.hours import now_at
from tenants.models import Tenant

logger = logging.getLogger(__name__)

KEPT = timedelta(days=31)
ADD = """
INSERT INTO chat_visitorday (visitor_id, day, tokens, cost)
SELECT v.id, s.day, sum(s.tokens), sum(s.cost)
FROM unnest(%s::uuid[], %s::date[], %s::bigint[], %s::bigint[]) AS s(visitor, day, tokens, cost)
JOIN chat_visitor v ON v.id = s.visitor
GROUP BY v.id, s.day ORDER BY v.id
ON CONFLICT (visitor_id, day) DO UPDATE SET
    tokens = chat_visitorday.tokens + excluded.tokens, cost = chat_visitorday.cost + excluded.cost
"""
Spent = tuple[UUID, date, Tokens]

_writing: set[asyncio.Task[None]] = set()


def spend(tenant: Tenant, visitor: UUID, tokens: Tokens) -> None:
    """Counts what an answer cost, for the tenant and for the visitor. On a loop; does not wait."""
    usage.spend(tenant, tokens.total, tokens.estimated, tokens.cost)
    if tokens.total:
        task = asyncio.get_running_loop().create_task(_write(tenant, visitor, tokens))
        _writing.add(task)
        task.add_done_callback(_writing.discard)


async def _write(tenant: Tenant, visitor: UUID, tokens: Tokens) -> None:
    try:
        await _add((tenant, (visitor, now_at(tenant).date(), tokens)))
    except DatabaseError:
        logger.warning("%s: what an answer cost its visitor was not counted", tenant.schema_name)


def add(tenant: Tenant, visitor: UUID, tokens: Tokens) -> None:
    _add_all([(visitor, now_at(tenant).date(), tokens)])


def _add_all(spent: list[Spent]) -> list[None]:
    told = [(visitor, day, tokens.total, tokens.cost) for visitor, day, tokens in spent]
    with connection.cursor() as cursor:
        cursor.execute(ADD, [list(column) for column in zip(*told, strict=True)])
    return [None] * len(spent)


_add = of_tenants(_add_all)


async def share_of_visitor(tenant: Tenant, visitor: UUID) -> float:
    """How much of what a visitor may use in a day this one has used, 1: all. Asks nobody where there is no limit."""
    allowed = tenant.policy.visitor_day_tokens
    return await database_call(tenant, _tokens, tenant, visitor) / allowed if allowed else 0.0


def _tokens(tenant: Tenant, visitor: UUID) -> int:
    rows = VisitorDay.objects.filter(visitor=visitor, day=now_at(tenant).date())
    return rows.values_list("tokens", flat=True).first() or 0


def near(tenant: Tenant, share: float) -> int:
    """How many visitors have used that share of their day."""
    least = int(tenant.policy.visitor_day_tokens * share)
    return VisitorDay.objects.filter(day=now_at(tenant).date(), tokens__gte=least).count() if least else 0


def forget_old(tenant: Tenant) -> None:
    VisitorDay.objects.filter(day__lt=now_at(tenant).date() - KEPT).delete()
