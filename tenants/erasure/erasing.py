"""Removes a tenant for good. Killed at any point, the same command goes on from there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import errors, sql
from redis import RedisError

from tenants import actions, locks, reader, registry, roles
from tenants.archive import files
from tenants.archive.problems import Refused, busy
from tenants.context import outside
from tenants.erasure import record, traces
from tenants.erasure.record import Record
from tenants.erasure.scan import Scan, log_entries, scan
from tenants.models import Tenant
from tenants.progress import Progress, unwatched

# Seconds after which nobody works for a tenant any more that is not in service: processes know it within two, open chats are
# closed within five, and requests that had begun are over.
QUIET = 10.0
PATIENCE = "30s"  # for whoever still reads one of its tables


def erase(schema_name: str, progress: Progress = unwatched, quiet: float | None = None) -> Scan:
    """Everything of a tenant's; then what a search for it found. Raises Refused, to be tried again: what is gone stays gone.

    Of a name that no tenant has, and no run that was killed began with, nothing is removed: it is only searched for.
    """
    _check_name(schema_name)
    roles.check_owner()
    with outside(), locks.held(f"tenant {schema_name}", busy=busy(schema_name)):
        tenant = _find(schema_name)
        if tenant:
            actions.begin_erasing(tenant)
        of = _remembered(schema_name, tenant)
        try:
            if of:
                _wait(tenant, QUIET if quiet is None else quiet, progress)
                for step in STEPS:
                    progress(step.__name__.strip("_"), 0, 0)
                    step(of)
            result = scan(of or Record(schema_name), progress)
        except RedisError:
            raise Refused(
                _("Redis does not answer. Try again: the tenant stays closed until then.")
            ) from None
        if not result.found:
            record.forget(schema_name)
        return result


def search(schema_name: str, progress: Progress = unwatched) -> Scan:
    """What there is of a tenant, without removing anything."""
    _check_name(schema_name)
    roles.check_owner()
    tenant = _find(schema_name)
    of = Record(schema_name, tenant.pk) if tenant else record.taken(schema_name)
    return scan(of or Record(schema_name), progress)


def _check_name(schema_name: str) -> None:
    try:
        Tenant(schema_name=schema_name, name=schema_name).clean_fields()
    except ValidationError:
        raise Refused(_("%(name)s is no tenant's name.") % {"name": schema_name[:60]}) from None
    if schema_name == "public":
        raise Refused(_("The platform itself is no tenant."))


def _find(schema_name: str) -> Tenant | None:
    with outside():
        found: Tenant | None = Tenant.objects.filter(schema_name=schema_name).first()
    return found


def _remembered(schema_name: str, tenant: Tenant | None) -> Record | None:
    """Its ids are read by the first run: later, its rows may be gone."""
    known = record.taken(schema_name)
    if tenant and (known is None or known.pk != tenant.pk):
        return record.take(tenant)
    return known


def _wait(tenant: Tenant | None, quiet: float, progress: Progress) -> None:
    """`tenant` as it was found: out of service for long enough, or not."""
    if tenant is None:
        return
    since = 0.0 if tenant.is_active else (timezone.now() - tenant.changed_at).total_seconds()
    ends = time.monotonic() + quiet - since
    while (left := ends - time.monotonic()) > 0:
        progress("wait", int(quiet - left), int(quiet))
        time.sleep(min(left, 1.0))


# --- Steps ------------------------------------------------------------------------------------------------------------


def _schema(of: Record) -> None:
    with outside(), transaction.atomic(), connection.cursor() as cursor:
        try:
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(of.schema_name)))
        except OperationalError as error:
            if isinstance(error.__cause__, errors.LockNotAvailable):
                raise Refused(
                    _("Somebody still reads its tables, perhaps an export or a backup. Try again.")
                ) from None
            raise
        reader.dismiss(of.schema_name)


def _files(of: Record) -> None:
    arriving = files.arriving(of.schema_name)
    for folder in (arriving.mark, arriving.target):
        if folder.exists():
            shutil.rmtree(folder)


def _redis(of: Record) -> None:
    traces.remove_tasks(of.schema_name)
    traces.remove_keys(of.schema_name)


def _public_rows(of: Record) -> None:
    with outside(), transaction.atomic():
        if of.pk:
            log_entries(of.pk).delete()
        for tenant in Tenant.objects.filter(schema_name=of.schema_name):
            tenant.delete()
    registry.forget()


STEPS: tuple[Callable[[Record], None], ...] = (_schema, _files, _redis, _public_rows)
