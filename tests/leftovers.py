"""Every file of tests begins with the same installation: what those before it have committed is removed.

Only rows of tables that were empty when the tests began, in public and in both companies, and the companies' keys in Redis. Rows of the
other tables (tenants, policies, permissions) are put back by whoever changes them.
"""

from __future__ import annotations

import os

import psycopg
from psycopg import sql
from redis import Redis

SCHEMAS = ["public", "acme", "globex"]
_empty: list[sql.Identifier] = []  # tables


def remember() -> None:
    """The installation as it is now is what every file is to begin with."""
    with _database() as line:
        query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s)"
        tables = [sql.Identifier(*row) for row in line.execute(query, [SCHEMAS])]
        filled = _filled(line, tables)
    _empty[:] = [table for table in tables if table not in filled]


def remove() -> None:
    """Nothing where no test has asked for a database yet."""
    if not _empty:
        return
    with _database() as line:
        line.execute("SET session_replication_role = replica")  # tables in any order
        for table in _filled(line, _empty):
            line.execute(sql.SQL("DELETE FROM {}").format(table))
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        for schema in SCHEMAS:
            for key in redis.scan_iter(f"kefu:{{{schema}[:}}]*", count=1000):
                redis.unlink(key)


def _database() -> psycopg.Connection[tuple[str, ...]]:
    return psycopg.connect(os.environ["DATABASE_URL"])


def _filled(line: psycopg.Connection[tuple[str, ...]], tables: list[sql.Identifier]) -> list[sql.Identifier]:
    one = sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})")
    each = [one.format(number, table) for number, table in enumerate(tables)]
    return [tables[int(number)] for (number,) in line.execute(sql.SQL(" UNION ALL ").join(each))]
