"""How large each tenant's schema is: one question to the database's catalogue for all of them, asked once a minute at most."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from django.db import connection

from tenants.context import outside
from tenants.models import Tenant

FRESH = 60.0  # seconds: the database looks at every file of every table

# Rows as the database last counted or estimated them: exact counts would read everything.
SIZES = """
SELECT nspname, sum(pg_total_relation_size(pg_class.oid))::bigint, 
    sum(greatest(reltuples, pg_stat_get_live_tuples(pg_class.oid), 0))::bigint
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace JOIN tenants_tenant ON nspname = schema_name
WHERE relkind IN ('r', 'm') GROUP BY nspname
"""


@dataclass(frozen=True)
class Size:
    bytes: int = 0
    rows: int = 0


@dataclass(frozen=True)
class _Sizes:
    by_schema: dict[str, Size] = field(default_factory=dict)
    read_at: float = float("-inf")


_sizes = _Sizes()


def by_schema() -> dict[str, Size]:
    global _sizes
    if time.monotonic() - _sizes.read_at > FRESH:
        _sizes = _Sizes(_read(), time.monotonic())
    return _sizes.by_schema


def _read() -> dict[str, Size]:
    with outside(), connection.cursor() as cursor:
        cursor.execute(SIZES)
        return {schema: Size(size, rows) for schema, size, rows in cursor.fetchall()}


def largest(most: int = 5) -> list[tuple[Tenant, Size]]:
    known = sorted(by_schema().items(), key=lambda item: item[1].bytes, reverse=True)
    tenants = {row.schema_name: row for row in Tenant.objects.exclude(schema_name="public")}
    return [(tenants[schema], size) for schema, size in known if schema in tenants][:most]
