"""Goes round this process's open sockets: whose company was suspended, or whose login has ended, is closed within seconds.

Sockets say nothing for hours, and a bell must cost no query; so nobody else asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from chat import access
from tenants import registry
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

ROUND = 2.0  # seconds
BAD_CREDENTIALS, SUSPENDED = 4001, 4090


class Charge(Protocol):
    tenant: Tenant
    login: str  # the session of an agent who is logged in; empty for visitors, whose tokens do not end early

    def close(self, code: int) -> None: ...


_charges: WeakKeyDictionary[asyncio.AbstractEventLoop, set[Charge]] = WeakKeyDictionary()
_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()


@contextmanager
def looks_after(socket: Charge) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    charges = _charges.setdefault(loop, set())
    charges.add(socket)
    if loop not in _rounds or _rounds[loop].done():
        _rounds[loop] = loop.create_task(_go_round(charges))
    try:
        yield
    finally:
        charges.discard(socket)


async def _go_round(charges: set[Charge]) -> None:
    while charges:
        await asyncio.sleep(ROUND)
        by_tenant: dict[str, list[Charge]] = defaultdict(list)
        for socket in tuple(charges):
            by_tenant[socket.tenant.schema_name].append(socket)
        for those in by_tenant.values():
            await _look_at(those)


async def _look_at(sockets: list[Charge]) -> None:
    tenant = await registry.current(sockets[0].tenant)
    if tenant is None or not tenant.is_active:
        for socket in sockets:
            socket.close(SUSPENDED)
        return
    logins = {socket.login for socket in sockets if socket.login}
    if not logins:
        return
    try:
        standing = await database_call(tenant, access.standing_logins, logins)
    except DatabaseError:
        logger.warning("%s: logins could not be checked", tenant.schema_name)
        return
    for socket in sockets:
        if socket.login and socket.login not in standing:
            socket.close(BAD_CREDENTIALS)
