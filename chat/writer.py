"""One writer per process: what arrived during the last commit is written by the next one, in one round trip."""

from __future__ import annotations

import asyncio
import logging
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection as settings_of
from django.utils.translation import gettext as _

from chat import drafts, webhooks
from chat.drafts import Draft, Written
from chat.sending import tell
from kefu.errors import Overloaded
from tenants.gather import Gathered
from tenants.models import Tenant

logger = logging.getLogger(__name__)

MOST = 256  # drafts in one transaction
PATIENCE = 5.0  # seconds for which a draft waits for whoever holds its conversation
PAUSE = 0.02  # seconds between two tries of such a draft
PREPARED = 2048  # statements: each tenant has a few of its own, and planning one takes milliseconds
OPTIONS = (
    # A statement that hangs must not hang everybody behind it.
    "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000 -c search_path="
    # Planned once, and for ever: by keys, however small a table is now. Planning took as long as writing.
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
)

Letter = tuple[Tenant, Draft]


async def write(tenant: Tenant, draft: Draft) -> Written:
    """Committed when this returns, or judged not to be. Raises Overloaded when nothing could be written in time.

    A draft whose conversation somebody holds steps aside and lets the others of its group pass.
    """
    await webhooks.learn(tenant)
    loop = asyncio.get_running_loop()
    patience = loop.time() + PATIENCE
    while True:
        written = await _group((tenant, draft))
        if written.outcome not in ("busy", "crowded", "unavailable"):
            return written
        if written.outcome == "unavailable" or loop.time() > patience:
            raise Overloaded(_("Please try again in a moment."), retry_after=2)
        if written.outcome == "busy":
            await asyncio.sleep(PAUSE)


async def settle() -> None:
    """Returns when everything that was to be written is: for the end of a process."""
    await _group.idle()


async def _commit(letters: list[Letter]) -> list[Written]:
    """One transaction for all; one draft of each conversation, the others come again: "crowded"."""
    order = sorted(range(len(letters)), key=lambda n: letters[n][0].schema_name)
    results: list[Written] = [Written("crowded")] * len(letters)
    first: dict[tuple[str, Any], int] = {}
    for n in order:
        tenant, draft = letters[n]
        first.setdefault((tenant.schema_name, draft.conversation), n)
    chosen = list(first.values())
    for n, result in zip(chosen, await _try([letters[n] for n in chosen]), strict=True):
        results[n] = result
    return results


async def _try(letters: list[Letter]) -> list[Written]:
    """Poison fails alone: a group that the database refuses is halved until only what is wrong is left."""
    try:
        return [*await _transact(letters)]
    except psycopg.OperationalError as error:
        await _forget_connection()
        logger.warning("The database did not take %d messages: %s", len(letters), type(error).__name__)
        return [Written("unavailable")] * len(letters)
    except psycopg.Error as error:
        if len(letters) == 1:
            logger.warning("A message could not be written: %s", type(error).__name__)
            return [Written("failed")]
    half = len(letters) // 2
    return await _try(letters[:half]) + await _try(letters[half:])


async def _transact(letters: list[Letter]) -> list[Written]:
    """All schemas of `letters`, which are sorted by schema, in one transaction and one round trip."""
    groups = [
        (schema, [draft for _tenant, draft in those])
        for schema, those in groupby(letters, key=lambda letter: letter[0].schema_name)
    ]
    line = await _connection()
    cursors = []
    async with line.pipeline(), line.transaction():
        for schema, those in groups:
            await line.execute(drafts.lock(schema, wait=False), drafts.conversations(those))
            has_files = any(draft.files for draft in those)
            statement = drafts.write(schema, heard=bool(webhooks.heard(schema)), files=has_files)
            cursors.append(await line.execute(statement, drafts.parameters(those)))
    written = []
    for (_schema, those), cursor in zip(groups, cursors, strict=True):
        rows = await cursor.fetchall()
        written += [drafts.read(draft, row) for draft, row in zip(those, rows, strict=True)]
    for (schema, draft), one in zip(letters, written, strict=True):
        tell(
            schema, draft, one
        )  # here, and not by the sender: who hung up meanwhile must not take the news along
    return written


_group: Gathered[Letter, Written] = Gathered(_commit, MOST)
_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, psycopg.AsyncConnection[Any]] = WeakKeyDictionary()


async def _connection() -> psycopg.AsyncConnection[Any]:
    """The writer's own, outside the pool: its tables are named with their schema, so no search path can lead it astray."""
    loop = asyncio.get_running_loop()
    line = _connections.get(loop)
    if line is None or line.closed:
        known = settings_of.get_connection_params()
        wanted = {
            name: known[name] for name in ("host", "port", "dbname", "user", "password") if known.get(name)
        }
        line = await psycopg.AsyncConnection.connect(
            **wanted,
            options=OPTIONS,
            autocommit=True,
            prepare_threshold=0,
            cursor_factory=psycopg.AsyncRawCursor,
        )
        line.prepared_max = PREPARED
        _connections[loop] = line
    return line


async def _forget_connection() -> None:
    line = _connections.pop(asyncio.get_running_loop(), None)
    if line:
        await line.close()
