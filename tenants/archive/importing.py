"""A tenant out of an archive, into an installation where its name and its hosts are free: all of it or nothing."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from tenants import actions, locks, migrating, registry, roles
from tenants.archive import catalogue, files, public, reading, states
from tenants.archive.exporting import PLAIN
from tenants.archive.manifest import Manifest, Secret, Table
from tenants.archive.problems import Damaged, Refused, busy
from tenants.archive.reading import Archive
from tenants.archive.rules import STAYS
from tenants.context import inside, outside
from tenants.encrypted import encrypted
from tenants.models import Domain, Policy, SchemaState, Tenant
from tenants.names import free_schema_name
from tenants.progress import Progress, unwatched


@dataclass
class Arrival:
    """What is to become of an archive here."""

    archive: Archive
    schema_name: str
    hosts: list[str]
    is_suspended: bool
    progress: Progress
    missing: list[Secret] = field(default_factory=list)  # what somebody has to enter again

    @property
    def manifest(self) -> Manifest:
        return self.archive.manifest

    @property
    def folder(self) -> files.Arriving:
        return files.arriving(self.schema_name)

    @property
    def is_older(self) -> bool:
        return self.manifest.migrations != states.newest()


@contextmanager
def arrival(
    path: Path,
    key: bytes | None = None,
    schema_name: str = "",
    hosts: list[str] | None = None,
    is_suspended: bool = False,
    progress: Progress = unwatched,
) -> Iterator[Arrival]:
    """The archive at `path`, read once from end to end and found to fit here. Writes nothing. Raises Refused.

    It comes in suspended if it was when it was written, or where that is wished.
    """
    roles.check_owner()
    with reading.opened(path, key) as archive:
        name = schema_name or archive.manifest.schema_name
        is_closed = is_suspended or archive.manifest.is_suspended
        this = Arrival(archive, name, public.set_hosts(archive.rows, hosts), is_closed, progress)
        _check_place(this)
        _check_tables(archive.manifest)
        _check_secrets(archive)
        reading.verify(archive, progress)
        this.missing = [secret for secret in archive.secrets if archive.seal is None or secret.sealed is None]
        yield this


def bring_in(this: Arrival) -> Tenant:
    """All or nothing; a killed run leaves at most files that are nobody's, which the next try of the same name removes."""
    with outside(), locks.held(f"tenant {this.schema_name}", busy=busy(this.schema_name)):
        _check_place(this)
        this.folder.begin()
        try:
            for file in this.manifest.files:
                this.folder.write(file.path, this.archive.blocks(file.member))
            with transaction.atomic(durable=True):
                tenant = _load(this)
                this.folder.into_place()
        except BaseException as error:
            with contextlib.suppress(
                DatabaseError
            ):  # then nobody knows whether it was committed: the next try will see
                if not Tenant.objects.filter(schema_name=this.schema_name).exists():
                    this.folder.undo()
            if isinstance(error, IntegrityError | DataError):
                raise Damaged(
                    f"its rows do not fit together, or with what is here: {_reason(error)}"
                ) from None
            raise
        this.folder.end()
    registry.forget()
    return tenant


def _reason(error: DatabaseError) -> str:
    """Without the details, which would quote a row."""
    return str(getattr(getattr(error.__cause__, "diag", None), "message_primary", "")) or type(error).__name__


# --- Does it fit? -----------------------------------------------------------------------------------------------------


def _check_place(this: Arrival) -> None:
    """Name, hosts and room."""
    _check_name(this)
    _check_hosts(this.hosts)
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    if sum(file.bytes for file in this.manifest.files) > shutil.disk_usage(settings.MEDIA_ROOT).free:
        raise Refused(_("There is not enough room on the disk for the files of the archive."))


def _check_name(this: Arrival) -> None:
    name, folder = this.schema_name, this.folder
    try:
        free_schema_name(name)
    except ValidationError as error:
        raise Refused(f"{name[:60]}: {' '.join(error.messages)}") from None
    with outside():
        if Tenant.objects.filter(schema_name=name).exists():
            raise Refused(_("The name %(name)s is taken; choose another with --schema.") % {"name": name})
        if catalogue.schema_exists(name) or (folder.target.exists() and not folder.mark.exists()):
            text = _(
                "Something of an earlier %(name)s is still here: `tenant erase %(name)s --dry-run` says what."
            )
            raise Refused(text % {"name": name})


def _check_hosts(hosts: list[str]) -> None:
    with outside():
        taken = list(Domain.objects.filter(domain__in=hosts).values_list("domain", flat=True))
    if taken or not hosts or len(set(hosts)) < len(hosts):
        text = _("These hosts are taken, or not there at all: %(hosts)s. Give others with --host.")
        raise Refused(text % {"hosts": ", ".join(taken or hosts) or "-"})


def _check_tables(manifest: Manifest) -> None:
    """The tables are those that the archive's migrations make, column by column; the company's own stand in nobody's way."""
    states.check_readable(manifest.migrations)
    expected = states.expected_tables(manifest.migrations)
    ours = {table.name: set(table.column_names) for table in manifest.tables if not table.is_own}
    travelling = {name: columns for name, columns in expected.items() if name not in STAYS}
    if ours != travelling:
        wrong = sorted(
            name for name in ours.keys() | travelling.keys() if ours.get(name) != travelling.get(name)
        )
        raise Damaged(f"its tables are not those of its migrations: {wrong[0]}")
    for table in manifest.tables:
        if not {*table.key, *table.sequences} <= set(table.column_names):
            raise Damaged(f"it describes {table.name} in a way that cannot be")
    _check_own_tables([table for table in manifest.tables if table.is_own], set(expected))


def _check_own_tables(tables: list[Table], ours: set[str]) -> None:
    kinds = {column.type for table in tables for column in table.columns}
    try:
        foreign = kinds - catalogue.builtin_types(kinds)
    except DatabaseError:  # not even the beginning of a type
        foreign = kinds
    if foreign:
        raise Damaged(f"it wants a column of a type that PostgreSQL does not bring: {sorted(foreign)[0]}")
    reserved = ours | STAYS | catalogue.public_names()
    if wrong := [table.name for table in tables if table.name in reserved or not table.columns]:
        raise Damaged(f"it brings a table that may not be a company's own: {wrong[0]}")


def _check_secrets(archive: Archive) -> None:
    known = catalogue.secrets_by_table()
    keys = {table.name: table.key for table in archive.manifest.tables}
    for secret in archive.secrets:
        if secret.column not in known.get(secret.table, ()) or len(secret.key) != len(
            keys.get(secret.table, ())
        ):
            raise Damaged(
                f"it brings a secret for a place where none is kept: {secret.table}.{secret.column}"
            )
        if archive.seal and secret.sealed:
            archive.seal.open(secret.sealed, secret.place)


# --- In ---------------------------------------------------------------------------------------------------------------


def _load(this: Arrival) -> Tenant:
    tenant = _make(this)
    with inside(tenant), connection.cursor() as cursor:
        cursor.execute(PLAIN)
        # Of what was made just now nothing may be open, or no table can be emptied; what is loaded is checked at its end.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        names = [sql.Identifier(name) for name in catalogue.tables() if name not in STAYS]
        cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        _load_tables(this)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if this.is_older:
            migrating.migrate(this.schema_name)
        _load_secrets(this)
    roles.admit(this.schema_name)
    applied = migrating.recorded([this.schema_name])[this.schema_name]
    SchemaState.objects.update_or_create(tenant=tenant, defaults={"applied": applied})
    public.load(tenant, this.archive.rows)
    return tenant


def _make(this: Arrival) -> Tenant:
    """The tenant with empty tables, at the state that the archive was at."""
    status = Tenant.Status.SUSPENDED if this.is_suspended else Tenant.Status.ACTIVE
    if not this.is_older:
        return actions.add(this.schema_name, this.manifest.name, this.hosts, status=status)
    about: dict[str, Any] = {"name": this.manifest.name, "status": status, "revision": int(time.time())}
    tenant: Tenant = Tenant.objects.create(schema_name=this.schema_name, **about)
    Policy.objects.create(tenant=tenant)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(this.schema_name)))
    with inside(tenant):
        states.migrate_to(this.manifest.migrations)
    return tenant


def _load_tables(this: Arrival) -> None:
    total = sum(table.bytes for table in this.manifest.tables)
    done = 0
    for table in this.manifest.tables:
        if table.is_own:
            _make_own_table(table)
        _load_rows(this, table)
        _count_on(table)
        done += table.bytes
        this.progress(table.name, done, total)


def _make_own_table(table: Table) -> None:
    """Its columns and its primary key; types were found to be PostgreSQL's own, and nothing but types."""
    parts = [
        sql.SQL("{} " + column.type + (" NOT NULL" if column.is_required else "")).format(
            sql.Identifier(column.name)
        )
        for column in table.columns
    ]
    if table.key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, table.key))))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(table.name), sql.SQL(", ").join(parts))
        )


def _load_rows(this: Arrival, table: Table) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    with connection.cursor() as cursor:
        try:
            with cursor.copy(copy_in) as copy:
                for block in this.archive.blocks(table.member):
                    copy.write(block)
        except psycopg.Error as error:  # its details would quote the row
            raise Damaged(f"the rows of {table.name} do not fit: {error.diag.message_primary}") from None
        if cursor.rowcount != table.rows:
            raise Damaged(f"{table.name} has {cursor.rowcount} rows, not {table.rows}")


def _count_on(table: Table) -> None:
    """The next number of each column that counts by itself is the one that it would have been."""
    for column, last in table.sequences.items() if not table.is_own else ():
        name, of_table = sql.Identifier(column), sql.Identifier(table.name)
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT greatest(%s, max({})) FROM {}").format(name, of_table), [last])
            if (newest := cursor.fetchone()[0]) > 0:
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table.name, column, newest]
                )


def _load_secrets(this: Arrival) -> None:
    """Under this installation's key."""
    seal = this.archive.seal
    keys = {table.name: table.key for table in this.manifest.tables}
    for secret in this.archive.secrets:
        if seal is None or secret.sealed is None:
            continue
        place = sql.SQL(" AND ").join(
            sql.SQL("{}::text = %s").format(sql.Identifier(part)) for part in keys[secret.table]
        )
        update = sql.SQL("UPDATE {} SET {} = %s WHERE ").format(
            sql.Identifier(secret.table), sql.Identifier(secret.column)
        )
        with connection.cursor() as cursor:
            cursor.execute(update + place, [encrypted(seal.open(secret.sealed, secret.place)), *secret.key])
            if cursor.rowcount != 1:
                raise Damaged(f"it brings a secret for a row that it does not hold: {secret.place}")
