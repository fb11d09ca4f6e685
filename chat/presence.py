"""Who is there: agents by their consoles, visitors by their pages, as each process knows them by its open sockets.

An agent's row says what they chose to be (online, busy, away) and when their console was last heard of. That is written for all agents
of a process together: no heartbeat costs a query of its own. Nothing is written when a console goes: a reload is no absence, and
whoever is not heard of for `SILENCE` counts as gone. What is known of visitors is never written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import DatabaseError, transaction
from django.utils import timezone

from chat.assignment import assign_soon
from chat.delivery import Bell, conversation_topic, ring
from chat.events import HEARTBEAT
from chat.models import Agent
from tenants.context import database_call
from tenants.gather import of_tenants
from tenants.models import Tenant

logger = logging.getLogger(__name__)

BEAT = 20.0  # seconds between the writings of one process
HEARD = 2 * HEARTBEAT  # a console that was silent for longer is gone, whatever its socket looks like
LINGERS = 5.0  # seconds for which a visitor's page that was closed counts as open: a reload takes less
ASKED = "presence.asked"  # between processes only: who has a page of this conversation says so

Key = tuple[str, Any]  # a schema, and an agent's number or a conversation's id


@dataclass
class Here:
    """What one event loop knows."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    consoles: Counter[Key] = field(default_factory=Counter)
    pages: Counter[Key] = field(default_factory=Counter)
    heard: dict[Key, float] = field(default_factory=dict)  # when each agent's consoles last said anything
    answered: Bell | None = None  # the last question: of several pages one answers it
    beating: asyncio.Task[None] | None = None


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Here] = WeakKeyDictionary()


def _here() -> Here:
    return _loops.setdefault(asyncio.get_running_loop(), Here())


# --- Agents -----------------------------------------------------------------------------------------------------------


async def came(tenant: Tenant, agent: int) -> None:
    """A console was opened; `left` must follow. When this returns, everybody knows that the agent is there."""
    here, key = _here(), (tenant.schema_name, agent)
    here.tenants[tenant.schema_name] = tenant
    here.consoles[key] += 1
    is_known = here.consoles[key] > 1
    heard(tenant, agent)
    if here.beating is None or here.beating.done():
        here.beating = asyncio.get_running_loop().create_task(_beat(here))
    if not is_known:
        await _arrive((tenant, agent))


def heard(tenant: Tenant, agent: int) -> None:
    """The console said something: with any frame of its."""
    _here().heard[tenant.schema_name, agent] = time.monotonic()


def left(tenant: Tenant, agent: int) -> None:
    here, key = _here(), (tenant.schema_name, agent)
    here.consoles[key] -= 1
    if here.consoles[key] <= 0:
        del here.consoles[key]
        here.heard.pop(key, None)


async def _beat(here: Here) -> None:
    while here.consoles:
        await asyncio.sleep(BEAT)
        await write(here)


async def write(here: Here) -> None:
    """Notes of all agents whose consoles were heard of that they are there: one statement for each tenant."""
    since = time.monotonic() - HEARD
    there: dict[str, list[int]] = defaultdict(list)
    for (schema, agent), at in here.heard.items():
        if at > since:
            there[schema].append(agent)
    for schema, agents in there.items():
        try:
            await database_call(here.tenants[schema], note, agents)
        except DatabaseError:
            logger.warning("%s: that agents are there could not be noted", schema)


def note(agents: Iterable[int]) -> None:
    """Rows that are held are left out: another process notes the same."""
    rows = Agent.objects.filter(pk__in=agents)
    held = rows.select_for_update(skip_locked=True, no_key=True).values("pk")
    with transaction.atomic():
        Agent.objects.filter(pk__in=held).update(seen_at=timezone.now())


@transaction.atomic
def _let_in(agents: list[int]) -> Sequence[None]:
    """Who was left waiting while nobody was there is theirs now."""
    note(agents)
    assign_soon()
    return [None] * len(agents)


_arrive = of_tenants(_let_in)


# --- Visitors ---------------------------------------------------------------------------------------------------------


def visitor_came(tenant: Tenant, conversation: UUID, *, is_news: bool = True) -> None:
    """A page of this conversation was opened; `visitor_left` must follow. Agents who look at it are told.

    Not `is_news` as long as nothing was said: most who open a page never write, and nobody looks at them.
    """
    here, key = _here(), (tenant.schema_name, conversation)
    here.pages[key] += 1
    if here.pages[key] == 1 and is_news:
        _tell(tenant.schema_name, conversation, online=True)


def visitor_left(tenant: Tenant, conversation: UUID, *, is_news: bool = True) -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(LINGERS, _gone, _here(), tenant.schema_name, conversation, is_news)


def _gone(here: Here, schema: str, conversation: UUID, is_news: bool) -> None:
    here.pages[schema, conversation] -= 1
    if here.pages[schema, conversation] <= 0:
        del here.pages[schema, conversation]
        if is_news:
            _tell(schema, conversation, online=False)


def ask(tenant: Tenant, conversation: UUID) -> None:
    """For an agent who begins to look at a conversation: whoever has its visitor's page will say so; nobody else will."""
    frame = {"type": ASKED, "conversation": str(conversation)}
    ring([conversation_topic(tenant.schema_name, conversation)], frame)


def is_for_pages(bell: Bell) -> bool:
    """Bells about visitors are heard by the visitors' sockets too, but do not go to their clients."""
    return bell.kind in (ASKED, "presence")


def answer(tenant: Tenant, conversation: UUID, bell: Bell) -> None:
    """A visitor's socket heard such a bell: it contradicts whoever closed one of several pages, and answers who asks."""
    here = _here()
    is_asked = bell.kind == ASKED or '"online":false' in bell.text
    if is_asked and here.pages[tenant.schema_name, conversation] and here.answered is not bell:
        here.answered = bell
        _tell(tenant.schema_name, conversation, online=True)


def _tell(schema: str, conversation: UUID, *, online: bool) -> None:
    frame = {"type": "presence", "conversation": str(conversation), "visitor": {"online": online}}
    ring([conversation_topic(schema, conversation)], frame)
