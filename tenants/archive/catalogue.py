"""What PostgreSQL itself says about a tenant's schema. Everything here runs inside it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from django.apps import apps
from django.db import connection, models

from tenants.archive.rules import tenant_apps
from tenants.encrypted import EncryptedTextField

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       array_position(i.indkey::smallint[], a.attnum) AS place, s.name IS NOT NULL,
       coalesce(pg_sequence_last_value(s.name::regclass), 0), pg_table_size(c.oid)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
CROSS JOIN LATERAL (SELECT pg_get_serial_sequence(format('%%I.%%I', %(schema)s, c.relname), a.attname)) AS s (name)
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind = 'r' AND NOT c.relispartition
ORDER BY c.relname, a.attnum
"""
# What rows alone do not bring back. Constraints and indexes of our own tables are made by migrations.
OTHER_OBJECTS = """
SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'view ' WHEN 'f' THEN 'foreign table ' ELSE 'partitioned table ' END
       || relname
FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND relkind IN ('v', 'm', 'f', 'p')
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = to_regnamespace(quote_ident(%(schema)s))
UNION ALL SELECT 'type ' || typname FROM pg_type
WHERE typnamespace = to_regnamespace(quote_ident(%(schema)s)) AND typtype IN ('d', 'e', 'r')
UNION ALL SELECT format('trigger %%s of %%s', tgname, relname) FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
WHERE relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND NOT tgisinternal
ORDER BY 1
"""
# Those that PostgreSQL itself brings, spelled as it spells them: nothing else reads as one of them.
BUILTIN_TYPES = """
SELECT written FROM unnest(%s::text[]) AS written
CROSS JOIN LATERAL (SELECT regexp_replace(written, '\\(.*?\\)', '')) AS plain (name)
JOIN pg_type t ON t.oid = to_regtype(plain.name) AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b'
WHERE format_type(t.oid, NULL) = plain.name
"""


@dataclass
class Found:
    """A table as it is in the schema."""

    name: str
    size: int  # bytes on disk, for a guess at how long it takes
    columns: list[tuple[str, str, bool]] = field(default_factory=list)  # name, type, whether it is required
    key: list[str] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)


def here() -> dict[str, str]:
    """By name: where a schema is missing, PostgreSQL's `current_schema()` would be the public one."""
    return {"schema": connection.schema_name}  # type: ignore[attr-defined]


def tables() -> dict[str, Found]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, here())
        rows = cursor.fetchall()
    found: dict[str, Found] = {}
    places: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, column, kind, is_required, place, counts, last, size in rows:
        table = found.setdefault(name, Found(name, size))
        table.columns.append((column, kind, is_required))
        if place is not None:
            places[name][column] = place
        if counts:
            table.sequences[column] = last
    for name, columns in places.items():
        found[name].key = sorted(columns, key=columns.__getitem__)
    return found


def schema_exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", [name])
        return bool(cursor.fetchone()[0])


def public_names() -> set[str]:
    """Tables of the public schema: one of the same name in a tenant's schema would stand in front of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return {name for (name,) in cursor.fetchall()}


def builtin_types(types: set[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(BUILTIN_TYPES, [sorted(types)])
        return {written for (written,) in cursor.fetchall()}


def other_objects() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(OTHER_OBJECTS, here())
        return [text for (text,) in cursor.fetchall()]


def tenant_models() -> list[type[models.Model]]:
    """All whose tables are in every tenant's schema."""
    labels = tenant_apps()
    known = apps.get_models(include_auto_created=True)
    return [model for model in known if model._meta.app_label in labels and model._meta.managed]


def secret_columns(model: type[models.Model]) -> list[str]:
    return [
        str(field.column) for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)
    ]


def secrets_by_table() -> dict[str, list[str]]:
    """Columns of the tenant's own schema that hold secrets, from the class of their fields."""
    found = {model._meta.db_table: secret_columns(model) for model in tenant_models()}
    return {table: columns for table, columns in found.items() if columns}
