"""Locks that PostgreSQL keeps for us, by name. Whoever holds one loses it with its connection, so a killed process holds none, once
PostgreSQL has found out: it looks when what it was asked for last is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.utils import CursorWrapper

from kefu.errors import WrongState

SPACE = 1_801_808_501  # any number of our own: other programs may lock in the same database
PATIENCE = 5.0  # seconds, for what a process that was killed has left
EVERY = 0.1


@contextmanager
def held(name: str, *, busy: str = "") -> Iterator[None]:
    """For this connection alone while the block lasts; waits for it, or, given words for `busy`, soon raises WrongState with them."""
    with connection.cursor() as cursor:
        if busy:
            _take_soon(cursor, name, busy)
        else:
            cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [SPACE, name])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [SPACE, name])


def _take_soon(cursor: CursorWrapper, name: str, busy: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [SPACE, name])
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > deadline:
            raise WrongState(busy)
        time.sleep(EVERY)


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
