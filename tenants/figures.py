"""What tenants take up, at a glance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection

# Rows as PostgreSQL last counted or estimated them: exact counts would read everything.
SIZES = """
SELECT nspname::text, sum(pg_total_relation_size(c.oid))::int8,
    sum(greatest(reltuples, pg_stat_get_live_tuples(c.oid), 0))::int8
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname = ANY(%s)
GROUP BY 1
"""


@dataclass(frozen=True)
class Size:
    bytes: int = 0
    rows: int = 0


def sizes(schemas: Collection[str]) -> dict[str, Size]:
    with connection.cursor() as cursor:
        cursor.execute(SIZES, [list(schemas)])
        return {schema: Size(size, rows) for schema, size, rows in cursor.fetchall()}
