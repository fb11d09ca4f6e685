"""H08, H09: whatever breaks meanwhile, nobody reads in a schema that was not entered, and nobody gets another's reply."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, OperationalError, connection, transaction

from kefu.dev import postgres
from tenants.context import database_call, inside, public_call
from tenants.models import Tenant
from tenants.redis import redis
from tests.services import FOLDER
from tests.tenants.test_context import execute, marker, query, search_paths

MARKER = "CREATE TABLE {0}.marker (owner text); INSERT INTO {0}.marker VALUES ('{0}')"
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
Both = tuple[Tenant, Tenant]


@pytest.fixture
def marked(live_acme: Tenant, live_globex: Tenant) -> Iterator[Both]:
    """Acme, Globex and public each have a table of one name: a query in the wrong schema does not fail, it lies."""
    schemas = ("acme", "globex", "public")
    execute("; ".join(map(MARKER.format, schemas)))
    yield live_acme, live_globex
    with suppress(OperationalError):  # whoever broke connections may have broken this one
        query("SELECT 1")
    connection.close()
    execute("; ".join(f"DROP TABLE {schema}.marker" for schema in schemas))


# --- SET search_path itself fails -------------------------------------------------------------------------------------


def refuse_to_set(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """As PostgreSQL does to a statement that is cancelled, or that comes when memory is short: that one fails, and the line lives on."""
    if "search_path" in str(sql):
        raise OperationalError("canceling statement due to user request")
    return execute(sql, params, many, context)


def test_it_runs_nothing_where_the_schema_could_not_be_entered(marked: Both) -> None:
    acme, globex = marked
    with inside(globex):
        assert marker() == "globex"  # the connection stands in the neighbour's schema now
    with inside(acme):
        with connection.execute_wrapper(refuse_to_set), pytest.raises(OperationalError):
            marker()
        assert marker() == "acme"


def test_it_writes_nothing_where_the_schema_could_not_be_entered(marked: Both) -> None:
    acme, globex = marked
    with inside(globex):
        marker()
    with inside(acme), connection.execute_wrapper(refuse_to_set), pytest.raises(OperationalError):
        execute("INSERT INTO marker VALUES ('of acme')")
    for tenant in marked:
        with inside(tenant):
            assert query("SELECT count(*) FROM marker") == "1"


def test_it_can_roll_back_after_an_error_and_go_on_in_its_schema(marked: Both) -> None:
    with inside(marked[0]), transaction.atomic():
        with pytest.raises(DatabaseError), transaction.atomic():
            execute("SELECT 1 / 0")
        assert marker() == "acme"


@contextmanager
def entered() -> Iterator[list[str]]:
    """What is sent to PostgreSQL meanwhile to enter a schema."""
    sent: list[str] = []

    def see(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if str(sql).startswith("SET search_path"):
            sent.append(str(sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        yield sent


def test_it_enters_a_schema_once_for_all_that_is_done_there(marked: Both) -> None:
    with inside(marked[1]):
        marker()
    for tenant in marked * 2:
        with entered() as sent, inside(tenant):
            assert {marker() for _ in range(3)} == {tenant.schema_name}
        assert len(sent) == 1


@pytest.mark.parametrize("undo", ["ROLLBACK TO SAVEPOINT here", "ROLLBACK", "DISCARD ALL"])
def test_it_enters_again_where_postgresql_took_the_connection_back(marked: Both, undo: str) -> None:
    """Behind the backs of Django and django-tenants, so that only PostgreSQL knows."""
    acme, globex = marked
    with inside(globex):
        marker()
    with entered() as sent, inside(acme):
        line = connection.connection
        if undo != "DISCARD ALL":
            line.execute("BEGIN; SAVEPOINT here")
        assert marker() == "acme"
        line.execute(undo)
        assert marker() == "acme"
        line.rollback()
    assert len(sent) == 2


def test_it_enters_a_schema_whose_name_is_a_word_of_sql(marked: Both) -> None:
    execute('CREATE SCHEMA "user"; ' + MARKER.format('"user"'))
    try:
        with inside(Tenant(schema_name="user")):
            assert [marker(), marker()] == ['"user"'] * 2
    finally:
        execute('DROP SCHEMA "user" CASCADE')


def test_it_enters_the_schema_again_after_a_streamed_query_met_a_dead_connection(marked: Both) -> None:
    acme, globex = marked
    with inside(globex):
        marker()
    with inside(acme):
        pid = query("SELECT pg_backend_pid()")
        with server() as line:
            line.execute("SELECT pg_terminate_backend(%s::int, 5000)", (pid,))
        for _ in range(2):
            with pytest.raises(OperationalError):
                list(Session.objects.iterator())
        connection.close()
        assert marker() == "acme"


# --- Connections break ------------------------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as line:
        yield line


async def cut_all_lines() -> None:
    def cut() -> None:
        with server() as line:
            line.execute(OTHERS)

    await asyncio.to_thread(cut)


async def restart() -> None:
    await asyncio.to_thread(postgres.stop, FOLDER / "postgres")
    postgres.start(
        FOLDER / "postgres", durable=False
    )  # in this thread: the server ends with the one that started it


class Reader:
    """Reads its own marker over and over; counts what it got."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.seen = tenant, Counter[str]()

    async def read(self, until: asyncio.Event) -> None:
        look = random.Random(self.tenant.schema_name).choice
        while not until.is_set():
            try:
                self.seen[await database_call(self.tenant, look((marker, marker_in_a_savepoint)))] += 1
            except DatabaseError:
                self.seen["failed"] += 1
            with suppress(DatabaseError):
                await look((partial(asyncio.sleep, 0), partial(public_call, query, "SELECT 1")))()


def marker_in_a_savepoint() -> str:
    with transaction.atomic():
        with suppress(DatabaseError), transaction.atomic():
            marker()
            execute("SELECT 1 / 0")
        return marker()


async def broken_by(breakage: Callable[[], Awaitable[None]], times: int, both: Both) -> None:
    """What is broken again and again, and what everybody reads meanwhile and afterwards."""
    await search_paths()  # every database thread has its connection
    readers, over = [Reader(both[number % 2]) for number in range(20)], asyncio.Event()
    reading = [asyncio.ensure_future(reader.read(over)) for reader in readers]
    for _ in range(times):
        seen = sum(sum(reader.seen.values()) for reader in readers)
        while sum(sum(reader.seen.values()) for reader in readers) < seen + 40:
            await asyncio.sleep(0)
        await breakage()
    over.set()
    await asyncio.gather(*reading)
    for reader in readers:
        assert reader.seen.keys() <= {reader.tenant.schema_name, "failed"}
    assert sum(reader.seen["failed"] for reader in readers) > 0  # it did break
    await heal()
    answers = await asyncio.gather(*(database_call(both[number % 2], marker) for number in range(40)))
    assert answers == ["acme", "globex"] * 20
    assert await search_paths() == {"public"}


async def heal() -> None:
    """Each thread's broken connection fails once more, and is replaced."""
    for _ in range(2):
        calls = [public_call(query, "SELECT pg_sleep(0.02)") for _ in range(settings.DATABASE_THREADS)]
        await asyncio.gather(*calls, return_exceptions=True)


async def test_it_reads_its_own_schema_or_fails_while_the_server_cuts_connections(marked: Both) -> None:
    await broken_by(cut_all_lines, 3, marked)


async def test_it_reads_its_own_schema_or_fails_while_postgresql_restarts(marked: Both) -> None:
    await broken_by(restart, 2, marked)


# --- Redis ------------------------------------------------------------------------------------------------------------


async def test_h09_a_cancelled_call_leaves_its_reply_to_nobody() -> None:
    """A thousand calls, cancelled at random points of their way; everybody else gets their own."""
    dice = random.Random(9)
    names = [f"h09:{number}" for number in range(50)]
    await asyncio.gather(*(redis().set(name, name) for name in names))

    async def get() -> None:
        name = dice.choice(names)
        assert await redis().get(name) == name.encode()

    async def cut_off() -> None:
        call = asyncio.ensure_future(get())
        for _ in range(dice.randrange(8)):
            await asyncio.sleep(0)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call

    for _ in range(20):
        await asyncio.gather(*(cut_off() for _ in range(50)), *(get() for _ in range(20)))
    await redis().delete(*names)
