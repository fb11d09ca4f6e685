"""The schema that new tenants are copies of: made when first needed, migrated like all others, and never anybody's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from kefu.errors import WrongState
from tenants import cloning, locks, migrating
from tenants.context import inside, outside
from tenants.models import Tenant
from tenants.names import TEMPLATE


def is_ready() -> bool:
    return migrating.is_enough(TEMPLATE, migrating.recorded([TEMPLATE]).get(TEMPLATE, ()))


def refresh() -> bool:
    """Brings the template up to date, waiting for whoever copies or migrates it; False if there was nothing to do.

    On a connection of its own: what becomes of the caller's transaction is not the template's business.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_refresh).result()


def _refresh() -> bool:
    try:
        with outside(), locks.held(TEMPLATE):
            if is_ready():
                return False
            _make()
            migrating.migrate(TEMPLATE)
            return True
    finally:
        connection.close()


def _make() -> None:
    with inside(Tenant(schema_name=TEMPLATE)), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{TEMPLATE}"')
        MigrationRecorder(connection).ensure_schema()


def copy(schema: str) -> list[str]:
    """Makes `schema` in the caller's transaction; returns its migrations. Nobody changes the template until that transaction ends."""
    if not is_ready():
        refresh()
    locks.share(TEMPLATE)
    applied = migrating.recorded([TEMPLATE]).get(TEMPLATE, [])
    if not migrating.is_enough(TEMPLATE, applied):
        raise WrongState(_("The tenants' template is being changed; try again."))
    cloning.clone(TEMPLATE, schema)
    return applied
