"""Business look-ups: slots found in what the visitor wrote, rows found in the company's own tables, worded by a template."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg
from django.db import DatabaseError
from django.utils.translation import gettext as _

from inference import queries
from inference.models import Connector
from tenants import reader, roles
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

TIME_LIMIT = 2000  # milliseconds
WRONG_TEMPLATE = (AttributeError, KeyError, IndexError, ValueError)  # what str.format_map raises
Row = dict[str, Any]


def slots_in(connector: Connector, text: str) -> dict[str, str]:
    """The connector's slots that stand in `text`: {name: value}."""
    found = {}
    for name, slot in connector.slots.items():
        if match := re.search(slot["pattern"], text):
            found[name] = match[0].upper() if slot.get("upper") else match[0]
    return found


async def look_up(tenant: Tenant, connector: Connector, values: dict[str, str]) -> str:
    """The answer in words. A connector that fails says so; it never raises."""
    try:
        row = await database_call(tenant, KINDS[connector.kind], tenant, connector, values)
        return _worded(connector, row, values)
    except (DatabaseError, psycopg.Error, queries.Forbidden, *WRONG_TEMPLATE):
        logger.exception("%s: connector %s failed", tenant.schema_name, connector.name)
        return _("I cannot look this up right now. Please try again in a few minutes, or ask for a person.")


def _worded(connector: Connector, row: Row | None, values: dict[str, str]) -> str:
    """Fills the template with texts only: a template cannot reach into what a database driver returns."""
    if row is None:
        return connector.nothing_found.format_map(values) or _("I found nothing under this number.")
    template: str = connector.by_status.get(row.get("status"), connector.template)
    return template.format_map(values | {name: _text(value) for name, value in row.items()})


def _sql(tenant: Tenant, connector: Connector, values: dict[str, str]) -> Row | None:
    """The first row. One SELECT, by a login that can only read this company's tables, for two seconds at most, with bound parameters.

    As a subquery it can be nothing but a SELECT, and PostgreSQL's extended protocol (`binary`) takes one statement at a time; the
    simple one would run "SELECT 1; COMMIT; DELETE ..." as well.
    """
    query = f"SELECT * FROM (\n{queries.checked(connector.query)}\n) AS found LIMIT 1"
    try:
        return _first_row(tenant, query, values)
    except (psycopg.errors.InsufficientPrivilege, psycopg.OperationalError) as error:
        if isinstance(error, psycopg.errors.QueryCanceled):
            raise
        if not roles.is_owner():
            logger.warning("`manage.py tenant migrate --tenant %s` opens it to look-ups", tenant.schema_name)
            raise
        reader.admit(tenant)
        return _first_row(tenant, query, values)


def _first_row(tenant: Tenant, query: str, values: dict[str, str]) -> Row | None:
    with reader.reading(tenant, TIME_LIMIT) as line:
        found = line.execute(query, values, binary=True)
        row = found.fetchone()
        names = [column.name for column in found.description or ()]
    return dict(zip(names, row, strict=True)) if row else None


def _text(value: Any) -> str:
    if isinstance(value, date):
        return _("%(month)d/%(day)d") % {"month": value.month, "day": value.day}
    return "" if value is None else str(value)


KINDS: dict[str, Callable[[Tenant, Connector, dict[str, str]], Row | None]] = {
    Connector.Kind.SQL: _sql,
}
