"""H08: whatever coroutines do between two steps, each reads its own tenant, and connections come back clean."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction

from tenants.context import database_call, inside, outside, public_call
from tenants.models import Tenant

MARKERS = "CREATE TABLE marker (owner text); INSERT INTO marker VALUES ('{}')"


def query(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def marker() -> str:
    return query("SELECT owner FROM marker")


def marker_after_rollback() -> str:
    """A savepoint's end restores the search path that it began with."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                execute("SELECT 1 / 0")
        except DatabaseError:
            pass
        return marker()


def slow_marker() -> str:
    execute("SELECT pg_sleep(0.005)")
    return marker()


@pytest.fixture
def tenants(live_acme: Tenant, live_globex: Tenant) -> Iterator[tuple[Tenant, Tenant]]:
    both = live_acme, live_globex
    for tenant in both:
        with inside(tenant):
            execute(MARKERS.format(tenant.schema_name))
    yield both
    for tenant in both:
        with inside(tenant):
            execute("DROP TABLE marker")


elsewhere = sync_to_async(int)


async def wander(tenant: Tenant, dice: random.Random) -> None:
    """A coroutine that hops between threads and its tenant's schema, as a socket does."""
    for _ in range(3):
        look = dice.choice((marker, marker_after_rollback, slow_marker))
        assert await database_call(tenant, look) == tenant.schema_name
        await dice.choice((elsewhere, partial(public_call, query, "SELECT 1"), partial(asyncio.sleep, 0)))()


async def search_paths() -> set[str]:
    """Of every database thread: as many calls at once as there are threads, each waiting for the others."""
    together = [
        public_call(query, "SELECT current_setting('search_path') FROM pg_sleep(0.02)")
        for _ in range(settings.DATABASE_THREADS)
    ]
    return set(await asyncio.gather(*together))


async def test_it_reads_its_own_tenant_among_two_hundred_others(tenants: tuple[Tenant, Tenant]) -> None:
    clean = await search_paths()
    dice = random.Random(8)
    tasks = [asyncio.ensure_future(wander(tenants[number % 2], dice)) for number in range(200)]
    for task in dice.sample(tasks, 40):
        asyncio.get_running_loop().call_later(dice.random() / 10, task.cancel)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [e for e in ended if isinstance(e, Exception)] == []
    assert await search_paths() == clean == {"public"}


async def test_it_leaves_the_schema_when_the_call_fails(tenants: tuple[Tenant, Tenant]) -> None:
    for _ in range(settings.DATABASE_THREADS):
        with pytest.raises(DatabaseError):
            await database_call(tenants[0], query, "SELECT 1 / 0")
    assert await search_paths() == {"public"}


async def test_it_replaces_a_connection_that_the_server_cut(tenants: tuple[Tenant, Tenant]) -> None:
    with pytest.raises(OperationalError):
        await database_call(tenants[0], query, "SELECT pg_terminate_backend(pg_backend_pid())")
    answers = await asyncio.gather(*(database_call(tenants[0], marker) for _ in range(20)))
    assert set(answers) == {"acme"}


async def test_it_passes_arguments_and_errors_through(live_acme: Tenant) -> None:
    assert await database_call(live_acme, int, "11", base=2) == 3
    with pytest.raises(ZeroDivisionError):
        await database_call(live_acme, divmod, 1, 0)


def test_it_returns_to_where_it_was_from_nested_blocks(tenants: tuple[Tenant, Tenant]) -> None:
    acme, globex = tenants
    before = query("SHOW search_path")
    with inside(acme):
        with inside(globex):
            assert marker() == "globex"
        with outside(), pytest.raises(DatabaseError):
            marker()
        assert marker() == "acme"
    assert query("SHOW search_path") == before
