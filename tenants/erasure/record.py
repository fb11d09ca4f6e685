"""What has to be known of a tenant until it was looked for in vain, and after that by nobody."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connection
from psycopg import sql

from tenants.archive import catalogue, files
from tenants.context import inside, outside
from tenants.models import Domain, Tenant


@dataclass(frozen=True)
class Record:
    schema_name: str
    pk: int | None = None
    hosts: list[str] = field(default_factory=list)
    ids: list[str] = field(
        default_factory=list
    )  # of its rows that have one which is nobody else's in the world

    @property
    def words(self) -> list[str]:
        return [self.schema_name, *self.hosts]


UUID_KEYS = """
SELECT c.relname, a.attname FROM pg_class c
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND a.atttypid = 'uuid'::regtype
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
"""


def path_of(schema_name: str) -> Path:
    return Path(settings.MEDIA_ROOT, ".erasing", f"{schema_name}.json")


def take(tenant: Tenant) -> Record:
    """Kept on the disk before anything is removed."""
    with outside():
        hosts = list(Domain.objects.filter(tenant=tenant).values_list("domain", flat=True))
    with inside(tenant):
        record = Record(tenant.schema_name, tenant.pk, hosts, _ids())
    path = path_of(tenant.schema_name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    files.sync_folder(path.parent)
    return record


def _ids() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(UUID_KEYS, catalogue.here())
        found: list[str] = []
        for table, column in cursor.fetchall():
            query = sql.SQL("SELECT {}::text FROM {}").format(sql.Identifier(column), sql.Identifier(table))
            cursor.execute(query)
            found += [number for (number,) in cursor.fetchall()]
    return found


def taken(schema_name: str) -> Record | None:
    """What an earlier run wrote down, if one was begun."""
    try:
        return Record(**json.loads(path_of(schema_name).read_text()))
    except FileNotFoundError:
        return None


def forget(schema_name: str) -> None:
    path_of(schema_name).unlink(missing_ok=True)
