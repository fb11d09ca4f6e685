"""Goes round this process's open sockets: whose company was suspended, whose login has ended, or who was erased, is closed within seconds
(with hundreds of companies on one process, the latter two within ten); and who was not told of the last message, because
whoever committed it was killed before the bell, is told.

Sockets say nothing for hours, and a bell must cost no query; so nobody else asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from chat import access, reading
from chat.cursors import Cursor
from tenants import registry
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

ROUND = 2.0  # seconds
AT_ONCE = 5000  # conversations in one query
LOOKS = 5  # rounds, in which each tenant is looked at once for what no bell spoke of
TENANTS = 100  # whose turn it is in one round: asking about one takes milliseconds, and about hundreds the whole process
BAD_CREDENTIALS, SUSPENDED = 4001, 4090


class Charge(Protocol):
    tenant: Tenant
    cursors: dict[UUID, Cursor]
    login: str  # the session of an agent who is logged in; empty for visitors, whose tokens do not end early

    def close(self, code: int) -> None: ...

    def look(self, conversation: UUID, last_seq: int) -> None:
        """The conversation's newest message, for a socket that may not have heard of it."""

    def deleted(self, conversation: UUID) -> None: ...


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
    turns: dict[str, int] = {}  # by schema: the round in which the database was last asked about it
    for n in count(1):
        await asyncio.sleep(ROUND)
        if not charges:
            return
        by_tenant: dict[str, list[Charge]] = defaultdict(list)
        for socket in tuple(charges):
            by_tenant[socket.tenant.schema_name].append(socket)
        turns = {schema: turns.get(schema, 0) for schema in by_tenant}
        try:
            for schema, those in by_tenant.items():
                if await _is_suspended(those):
                    del turns[schema]
        except DatabaseError:
            logger.warning("Which companies are suspended could not be read")
            continue
        for schema in sorted(turns, key=turns.__getitem__)[:TENANTS]:
            last, turns[schema] = turns[schema], n
            try:
                await _look_at(by_tenant[schema])
                if n // LOOKS > last // LOOKS:
                    await _look_for_silence(by_tenant[schema])
            except DatabaseError:
                logger.warning("%s: its sockets could not be looked at", schema)


async def _is_suspended(sockets: list[Charge]) -> bool:
    """One query for all companies, at most; closes them."""
    tenant = await registry.current(sockets[0].tenant)
    if tenant is not None and tenant.is_active:
        return False
    for socket in sockets:
        socket.close(SUSPENDED)
    return True


async def _look_for_silence(sockets: list[Charge]) -> None:
    watched = [(socket, conversation) for socket in sockets for conversation in socket.cursors]
    for start in range(0, len(watched), AT_ONCE):
        some = watched[start : start + AT_ONCE]
        heads = await database_call(
            sockets[0].tenant, reading.heads, {conversation for _socket, conversation in some}
        )
        for socket, conversation in some:
            if conversation in heads:
                socket.look(conversation, heads[conversation])
            else:
                socket.deleted(conversation)


async def _look_at(sockets: list[Charge]) -> None:
    # Noted before the question: whoever says hello while it is being answered was not asked about.
    logins = {socket: socket.login for socket in sockets if socket.login}
    if not logins:
        return
    standing = await database_call(sockets[0].tenant, access.standing_logins, {*logins.values()})
    for socket, login in logins.items():
        if login not in standing:
            socket.close(BAD_CREDENTIALS)
