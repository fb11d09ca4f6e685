"""Looks through every text and every id of the database's tables, whoever made them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from psycopg import sql

# Columns that may hold a word or an id, in every schema of ours
COLUMNS = """
SELECT n.nspname, c.relname, a.attname, a.atttypid = 'uuid'::regtype
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema)'
AND (t.typcategory = 'S' OR t.typname IN ('uuid', 'json', 'jsonb', 'xml', '_text', '_varchar'))
ORDER BY 1, 2, a.attnum
"""
FEW = 1000
FROM_QUESTION = sql.SQL("WITH erased AS (SELECT unnest(%(ids)s::uuid[]) AS id)")
FROM_TABLE = sql.SQL("WITH erased AS (SELECT id FROM pg_temp.given)")


@dataclass
class Table:
    schema: str
    name: str
    words: list[str] = field(default_factory=list)  # columns of text
    ids: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Counts:
    rows: int
    words: int  # rows in which a word is found
    ids: int  # ... an id
    own: int  # ... one as their own


def searchable() -> list[Table]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        found: dict[tuple[str, str], Table] = {}
        for schema, name, column, is_id in cursor.fetchall():
            table = found.setdefault((schema, name), Table(schema, name))
            (table.ids if is_id else table.words).append(column)
    return list(found.values())


def search(
    tables: Collection[Table], pattern: str, ids: Collection[str]
) -> Iterator[tuple[int, Table, Counts]]:
    """(number, table, what is in it) of each; `pattern` is a regular expression of PostgreSQL's.

    A few ids travel with each question; many lie in a temporary table, which only the owner of the database may make.
    """
    is_few = len(ids) <= FEW
    told: dict[str, Any] = {"pattern": pattern, "ids": [*ids]} if is_few else {"pattern": pattern}
    with connection.cursor() as cursor:
        if not is_few:
            _load(ids)
        for number, table in enumerate(tables):
            cursor.execute(_query(table, FROM_QUESTION if is_few else FROM_TABLE), told)
            yield number, table, Counts(*cursor.fetchone())
        if not is_few:
            cursor.execute("DROP TABLE pg_temp.given")


def _query(table: Table, given: sql.SQL) -> sql.Composed:
    words = [sql.SQL("{}::text ~ %(pattern)s").format(sql.Identifier(column)) for column in table.words]
    ids = [_is_erased(column) for column in table.ids]
    own = [_is_erased(column) for column in table.ids if column == "id"]
    counts = [
        sql.SQL("count(*) FILTER (WHERE {})").format(_any(conditions)) for conditions in (words, ids, own)
    ]
    place = sql.Identifier(table.schema, table.name)
    return given + sql.SQL(" SELECT count(*), {} FROM {}").format(sql.SQL(", ").join(counts), place)


def _is_erased(column: str) -> sql.Composed:
    return sql.SQL("{} IN (SELECT id FROM erased)").format(sql.Identifier(column))


def _any(conditions: list[sql.Composed]) -> sql.Composable:
    return sql.SQL(" OR ").join(conditions) if conditions else sql.SQL("false")


def _load(ids: Collection[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS pg_temp.given"
        )  # of a search in this session that was broken off
        cursor.execute("CREATE TEMPORARY TABLE given (id uuid)")
        with cursor.copy("COPY pg_temp.given FROM STDIN") as copy:
            for number in ids:
                copy.write(f"{number}\n")
        cursor.execute("ANALYZE pg_temp.given")
