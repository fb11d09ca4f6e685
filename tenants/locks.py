"""Locks that PostgreSQL keeps for us, by name. Whoever holds one loses it with its connection, so a killed process holds none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from kefu.errors import WrongState

SPACE = 1_801_808_501  # any number of our own: other programs may lock in the same database


@contextmanager
def held(name: str, *, busy: str = "") -> Iterator[None]:
    """For this connection alone while the block lasts; waits for it, or, given words for `busy`, raises WrongState with them."""
    with connection.cursor() as cursor:
        if busy:
            cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [SPACE, name])
            if not cursor.fetchone()[0]:
                raise WrongState(busy)
        else:
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [SPACE, name])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [SPACE, name])


def share(name: str) -> None:
    """Until the transaction ends, with others who share it: nobody can hold it meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))", [SPACE, name])


def is_held(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid::int8 = %s AND granted
                    AND objid::int8 = hashtext(%s)::int8 & 4294967295
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            )
            """,
            [SPACE, name],
        )
        return bool(cursor.fetchone()[0])
