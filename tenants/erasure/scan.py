"""Looks for an erased tenant everywhere it could be, and says where it looked."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.utils.translation import gettext as _
from psycopg import sql

from tenants import reader
from tenants.archive import public
from tenants.context import outside
from tenants.erasure import record, traces
from tenants.erasure.record import Record
from tenants.models import Tenant
from tenants.progress import Progress

# Columns that may hold a word of a tenant's, or an id of its rows, in every schema of ours
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


@dataclass
class Scan:
    looked_at: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    found: list[str] = field(default_factory=list)
    # Its name in what others wrote: a competitor, a supplier. For people to look at; nothing of the tenant's own.
    mentions: list[str] = field(default_factory=list)


def scan(of: Record, progress: Progress) -> Scan:
    result = Scan()
    with outside():
        for look in (_schemas, _tables, _log_entries, _files, _keys, _tasks):
            look(of, result, progress)
    return result


def _schemas(of: Record, result: Scan, progress: Progress) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        names = {name for (name,) in cursor.fetchall()}
    result.looked_at["schemas"] = len(names)
    if of.schema_name in names:
        result.found.append(_("schema %(name)s") % {"name": of.schema_name})
    with connection.cursor() as cursor:
        cursor.execute(reader.ROLE, [reader.name(of.schema_name)])
        if cursor.fetchone():
            result.found.append(_("login %(name)s of the database") % {"name": reader.name(of.schema_name)})
    if Tenant.objects.filter(schema_name=of.schema_name).exists():
        result.found.append(_("tenant %(name)s") % {"name": of.schema_name})


# --- Tables -----------------------------------------------------------------------------------------------------------


@dataclass
class Table:
    schema: str
    name: str
    words: list[str] = field(default_factory=list)  # columns of text
    ids: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def _tables(of: Record, result: Scan, progress: Progress) -> None:
    """The ids of its rows anywhere, and its name and hosts in any text."""
    pattern = rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, of.words))})(?![A-Za-z0-9_])"
    with_ids: defaultdict[str, list[str]] = defaultdict(list)
    held: Counter[str] = Counter()
    _load_ids(of)
    with connection.cursor() as cursor:
        tables = [
            table for table in _searchable() if table.schema != of.schema_name
        ]  # that this is there is said
        for number, table in enumerate(tables):
            progress(str(table), number, len(tables))
            cursor.execute(_query(table), {"pattern": pattern})
            rows, words, ids, own_ids = cursor.fetchone()
            result.looked_at["tables"] += 1
            result.looked_at["rows"] += rows
            held[table.schema] += own_ids
            if ids:
                said = _("%(table)s: %(count)d rows with its ids") % {"table": table, "count": ids}
                with_ids[table.schema].append(said)
            if words:
                _note_words(table, words, result)
        cursor.execute("DROP TABLE pg_temp.erased")
    for schema, lines in with_ids.items():
        if held[schema] > len(of.ids) / 2:  # brought in from an archive of it, or the other way round
            result.mentions.append(_("%(schema)s is a copy of it") % {"schema": schema})
        else:
            result.found += lines


def _note_words(table: Table, count: int, result: Scan) -> None:
    """In what belongs to other tenants it is a mention; while the tenant itself is there, its own rows are among the public ones."""
    owned = {Tenant._meta.db_table, *(model._meta.db_table for model in public.owned_models().values())}
    is_owned = table.schema == "public" and table.name in owned
    if not (is_owned and result.found):
        said = _("%(table)s: %(count)d rows with its name") % {"table": table, "count": count}
        (result.mentions if is_owned or table.schema != "public" else result.found).append(said)


def _searchable() -> list[Table]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        found: dict[tuple[str, str], Table] = {}
        for schema, name, column, is_id in cursor.fetchall():
            table = found.setdefault((schema, name), Table(schema, name))
            (table.ids if is_id else table.words).append(column)
    return list(found.values())


def _query(table: Table) -> sql.Composed:
    """How many rows there are; in how many a word is found, an id, one as their own. Takes the pattern."""
    words = [sql.SQL("{}::text ~ %(pattern)s").format(sql.Identifier(column)) for column in table.words]
    ids = [_is_erased(column) for column in table.ids]
    own = [_is_erased(column) for column in table.ids if column == "id"]
    counts = [
        sql.SQL("count(*) FILTER (WHERE {})").format(_any(conditions)) for conditions in (words, ids, own)
    ]
    place = sql.Identifier(table.schema, table.name)
    return sql.SQL("SELECT count(*), {} FROM {}").format(sql.SQL(", ").join(counts), place)


def _is_erased(column: str) -> sql.Composed:
    return sql.SQL("{} IN (SELECT id FROM erased)").format(sql.Identifier(column))


def _any(conditions: list[sql.Composed]) -> sql.Composable:
    return sql.SQL(" OR ").join(conditions) if conditions else sql.SQL("false")


def _load_ids(of: Record) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS pg_temp.erased"
        )  # of a search in this session that was broken off
        cursor.execute("CREATE TEMPORARY TABLE erased (id uuid)")
        with cursor.copy("COPY pg_temp.erased FROM STDIN") as copy:
            for number in of.ids:
                copy.write(f"{number}\n")
        cursor.execute("ANALYZE pg_temp.erased")


def _log_entries(of: Record, result: Scan, progress: Progress) -> None:
    count = log_entries(of.pk).count() if of.pk else 0
    if count:
        result.found.append(_("%(count)d entries of the platform's log") % {"count": count})


def log_entries(tenant_pk: int) -> models.QuerySet[LogEntry]:
    """What the platform's admin noted about a tenant: its name is in there."""
    return LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Tenant), object_id=str(tenant_pk)
    )


# --- Beside the database ----------------------------------------------------------------------------------------------


def _files(of: Record, result: Scan, progress: Progress) -> None:
    """Its folder, and any of its name in the folders that begin with a dot, where what is not finished lies."""
    top, note = Path(settings.MEDIA_ROOT), record.path_of(of.schema_name)
    result.looked_at["files"] = sum(1 for path in top.rglob("*") if path.is_file() and path != note)
    places = [top, *top.glob(".*/")]
    for path in (path for place in places for path in place.iterdir()):
        if re.split(r"[^a-z0-9_]", path.name)[0] == of.schema_name and path != note:
            result.found.append(_("files in %(path)s") % {"path": path})


def _keys(of: Record, result: Scan, progress: Progress) -> None:
    for key in traces.all_keys():
        result.looked_at["keys"] += 1
        if traces.belongs(key, of.schema_name):
            result.found.append(_("key %(key)s in Redis") % {"key": key})


def _tasks(of: Record, result: Scan, progress: Progress) -> None:
    for task in traces.tasks():
        result.looked_at["tasks"] += 1
        if of.schema_name in task.schema_names:
            result.found.append(_("task %(task)s in %(queue)s") % {"task": task.name, "queue": task.key})
