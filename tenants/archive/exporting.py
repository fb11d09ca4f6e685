"""A tenant into one archive, while it is in use."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql
from pydantic import ValidationError

from tenants import locks
from tenants.archive import catalogue, files, public, states
from tenants.archive.catalogue import Found
from tenants.archive.manifest import (
    FORMAT,
    IDENTIFIER,
    MAC,
    MANIFEST,
    PUBLIC,
    SECRETS,
    SECRETS_FORM,
    Column,
    File,
    Manifest,
    Secret,
    Table,
)
from tenants.archive.problems import Refused, busy
from tenants.archive.rules import STAYS, Rule, rules
from tenants.archive.sealing import Seal, seal_for
from tenants.context import inside, outside
from tenants.encrypted import decrypted
from tenants.models import Domain, Tenant
from tenants.progress import Progress, unwatched

LEVEL = 4  # of compression: 5 % more than the usual 6, in a third of the time, for what most of an archive is: vectors
# What COPY writes must depend neither on the server that writes nor on the one that reads.
PLAIN = """
SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1
"""


@dataclass
class Export:
    tenant: Tenant
    tables: dict[str, Found]
    seal: Seal | None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    progress: Progress = unwatched
    done: int = 0
    total: int = 0

    def advance(self, what: str, size: int) -> None:
        self.done += size
        self.progress(what, self.done, self.total)


def export(tenant: Tenant, path: Path, key: bytes | None = None, progress: Progress = unwatched) -> Manifest:
    """Writes the archive of `tenant` to `path`, whole or not at all. Without `key` its secrets are left out."""
    with (
        locks.held(f"tenant {tenant.schema_name}", busy=busy(tenant.schema_name)),
        files.whole(path) as target,
        _snapshot(tenant) as tables,
    ):
        this = Export(tenant, tables, None, progress=progress)
        this.seal = seal_for(this.id, key) if key else None
        with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=LEVEL) as archive:
            return _write(archive, this)


def survey(tenant: Tenant) -> dict[str, int]:
    """What an export would take: bytes on the disk, by table, and `files`."""
    with _snapshot(tenant) as tables:
        sizes = {name: table.size for name, table in tables.items()}
        return sizes | {
            "files": sum(
                path.stat().st_size for _name, path in files.below(files.folder_of(tenant.schema_name))
            )
        }


@contextmanager
def _snapshot(tenant: Tenant) -> Iterator[dict[str, Found]]:
    """All that is read in the block is of one moment, and no migration changes a table meanwhile. Inside the tenant's schema."""
    with inside(tenant):
        names = sorted(catalogue.tables())
        if not names:
            raise Refused(_("The schema %(name)s is not there.") % {"name": tenant.schema_name})
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Before anything is read: the moment begins when nobody changes these tables any more.
            locked = sql.SQL(", ").join(map(sql.Identifier, names))
            cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(locked))
            cursor.execute(PLAIN)
            tables = catalogue.tables()
            if sorted(tables) != names or states.applied() != states.newest():
                text = _("%(name)s is not fully migrated, or is just being so. Migrate it, then try again.")
                raise Refused(text % {"name": tenant.schema_name})
            yield {name: table for name, table in tables.items() if name not in STAYS}


def _write(archive: ZipFile, this: Export) -> Manifest:
    uploads = [*files.below(files.folder_of(this.tenant.schema_name))]
    this.total = sum(table.size for table in this.tables.values()) + sum(
        _size(path) for _name, path in uploads
    )
    with outside():
        tenant = this.tenant = Tenant.objects.get(pk=this.tenant.pk)
        hosts = list(
            Domain.objects.filter(tenant=tenant)
            .order_by("-is_primary", "pk")
            .values_list("domain", flat=True)
        )
        public_member = files.store(archive, PUBLIC, [public.dump(tenant)])
    own, strange = _own_tables(this.tables)
    left_out = [*catalogue.other_objects(), *(f"table {name}" for name in sorted(strange))]
    manifest = Manifest(
        format=FORMAT,
        kefu=settings.VERSION,
        id=this.id,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        schema_name=tenant.schema_name,
        name=tenant.name,
        hosts=hosts,
        is_suspended=not tenant.is_active,
        is_sealed=this.seal is not None,
        migrations=states.applied(),
        public=public_member,
        secrets=files.store(archive, SECRETS, [SECRETS_FORM.dump_json(_secrets(this), indent=1)]),
        tables=[
            _table(archive, this, found, name in own)
            for name, found in this.tables.items()
            if name not in strange
        ],
        files=[*_files(archive, this, uploads)],
        left_out=left_out,
    )
    _seal_up(archive, this, manifest)
    return manifest


def _seal_up(archive: ZipFile, this: Export, manifest: Manifest) -> None:
    """The manifest comes last: it is right about everything before it."""
    text = manifest.model_dump_json(indent=1).encode()
    files.store(archive, MANIFEST, [text])
    if this.seal:
        files.store(archive, MAC, [this.seal.sign(text)])


def _own_tables(tables: dict[str, Found]) -> tuple[set[str], set[str]]:
    """Tables that no migration makes: those that an archive can describe, and those that it cannot."""
    ours = {model._meta.db_table for model in catalogue.tenant_models()}
    own = {name for name in tables if name not in ours}
    builtin = catalogue.builtin_types(
        {kind for name in own for _name, kind, _required in tables[name].columns}
    )
    strange = {name for name in own if not _is_describable(tables[name], builtin)}
    strange |= own & catalogue.public_names()
    return own - strange, strange


def _is_describable(found: Found, builtin: set[str]) -> bool:
    try:
        IDENTIFIER.validate_python(found.name)
        return builtin.issuperset(column.type for column in _columns(found))
    except ValidationError:
        return False


def _columns(found: Found) -> list[Column]:
    return [Column(name=name, type=kind, is_required=required) for name, kind, required in found.columns]


# --- Rows -------------------------------------------------------------------------------------------------------------


def _table(archive: ZipFile, this: Export, found: Found, is_own: bool) -> Table:
    rows = 0
    seen = 0

    def counted() -> Iterator[bytes]:
        nonlocal rows, seen
        with connection.cursor() as cursor, cursor.copy(_select(this.tenant, found)) as copy:
            for block in copy:
                rows += bytes(block).count(b"\n")  # a line break inside a value is written as two characters
                seen += len(block)
                this.progress(found.name, this.done + min(seen, found.size), this.total)
                yield bytes(block)

    member = files.store(archive, f"tables/{found.name}", counted())
    this.advance(found.name, found.size)
    return Table(
        **member.model_dump(),
        name=found.name,
        columns=_columns(found),
        key=found.key,
        rows=rows,
        sequences=found.sequences,
        is_own=is_own,
    )


def _select(tenant: Tenant, found: Found) -> sql.Composed:
    """COPY of what travels: secrets and claims empty, what is to be done by the source left there."""
    rule = rules().get(found.name, Rule())
    secrets = catalogue.secrets_by_table().get(found.name, ())
    columns = [_column(name, name in secrets, name in rule.blank) for name, _kind, _required in found.columns]
    select = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), sql.Identifier(found.name))
    if rule.unfinished and tenant.is_active:
        select += sql.SQL(f" WHERE NOT ({rule.unfinished})")
    if found.key:
        select += sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(map(sql.Identifier, found.key)))
    return sql.SQL("COPY ({}) TO STDOUT").format(select)


def _column(name: str, is_secret: bool, is_blank: bool) -> sql.Composable:
    column = sql.Identifier(name)
    if is_secret:
        return sql.SQL("CASE WHEN {} IS NOT NULL THEN '' END").format(column)
    return sql.SQL("NULL") if is_blank else column


# --- Secrets and files ------------------------------------------------------------------------------------------------


def _secrets(this: Export) -> list[Secret]:
    return [
        secret
        for table, columns in catalogue.secrets_by_table().items()
        for column in columns
        for secret in _secrets_of(this, this.tables[table], column)
    ]


def _secrets_of(this: Export, found: Found, column: str) -> Iterator[Secret]:
    label = "name" if "name" in {name for name, _kind, _required in found.columns} else found.key[0]
    key = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(part)) for part in found.key)
    query = sql.SQL("SELECT {}, ARRAY[{}], {}::text FROM {} WHERE {} <> '' ORDER BY {}").format(
        sql.Identifier(column),
        key,
        sql.Identifier(label),
        sql.Identifier(found.name),
        sql.Identifier(column),
        key,
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        for token, place, name in cursor.fetchall():
            secret = Secret(table=found.name, column=column, key=place, label=name)
            yield secret.model_copy(update={"sealed": _sealed(this.seal, token, secret.place)})


def _sealed(seal: Seal | None, token: str, place: str) -> str | None:
    """None without a key, and for what this installation cannot read itself: it was lost with an older key."""
    try:
        return seal.close(decrypted(token), place) if seal else None
    except InvalidToken:
        return None


def _files(archive: ZipFile, this: Export, uploads: list[tuple[str, Path]]) -> Iterator[File]:
    for name, path in uploads:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # or it was deleted since
            yield File(path=name, **files.store(archive, f"files/{name}", files.blocks_of(file)).model_dump())
            this.advance("files", os.fstat(file.fileno()).st_size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
