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

from tenants import reader
from tenants.archive import public
from tenants.context import outside
from tenants.erasure import record, tables, traces
from tenants.erasure.record import Record
from tenants.erasure.tables import Table
from tenants.models import Tenant
from tenants.progress import Progress


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


def _tables(of: Record, result: Scan, progress: Progress) -> None:
    """The ids of its rows anywhere, and its name and hosts in any text."""
    pattern = rf"(?<![A-Za-z0-9_])({'|'.join(map(re.escape, of.words))})(?![A-Za-z0-9_])"
    with_ids: defaultdict[str, list[str]] = defaultdict(list)
    held: Counter[str] = Counter()
    # That its own schema is there is said.
    others = [table for table in tables.searchable() if table.schema != of.schema_name]
    for number, table, counts in tables.search(others, pattern, of.ids):
        progress(str(table), number, len(others))
        result.looked_at["tables"] += 1
        result.looked_at["rows"] += counts.rows
        held[table.schema] += counts.own
        if counts.ids:
            said = _("%(table)s: %(count)d rows with its ids") % {"table": table, "count": counts.ids}
            with_ids[table.schema].append(said)
        if counts.words:
            _note_words(table, counts.words, result)
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
        if of.schema_name in task.names:
            result.found.append(_("task %(task)s in %(queue)s") % {"task": task.name, "queue": task.key})
