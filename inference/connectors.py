"""Business look-ups: slots found in what the visitor wrote, rows found in the company's own tables, worded by a template."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from psycopg import Cursor as ServerCursor

from inference.models import Connector
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
        row = await database_call(tenant, KINDS[connector.kind], connector, values)
        return _worded(connector, row, values)
    except (DatabaseError, *WRONG_TEMPLATE):
        logger.exception("%s: connector %s failed", tenant.schema_name, connector.name)
        return _("I cannot look this up right now. Please try again in a few minutes, or ask for a person.")


def _worded(connector: Connector, row: Row | None, values: dict[str, str]) -> str:
    """Fills the template with texts only: a template cannot reach into what a database driver returns."""
    if row is None:
        return connector.nothing_found.format_map(values) or _("I found nothing under this number.")
    template: str = connector.by_status.get(row.get("status"), connector.template)
    return template.format_map(values | {name: _text(value) for name, value in row.items()})


def _sql(connector: Connector, values: dict[str, str]) -> Row | None:
    """The first row. One SELECT, reading only, for two seconds at most, with bound parameters.

    As a subquery it can be nothing but a SELECT, and PostgreSQL's extended protocol (`binary`) takes one statement at a time; the
    simple one would run "SELECT 1; COMMIT; DELETE ..." as well.
    """
    query = connector.query.strip().rstrip(";")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(f"SET LOCAL statement_timeout = {TIME_LIMIT}")
        with connection.wrap_database_errors, ServerCursor(connection.connection) as reader:
            reader.execute(f"SELECT * FROM (\n{query}\n) AS found LIMIT 1", values, binary=True)
            row = reader.fetchone()
            names = [column.name for column in reader.description or ()]
    return dict(zip(names, row, strict=True)) if row else None


def _text(value: Any) -> str:
    if isinstance(value, date):
        return _("%(month)d/%(day)d") % {"month": value.month, "day": value.day}
    return "" if value is None else str(value)


KINDS: dict[str, Callable[[Connector, dict[str, str]], Row | None]] = {
    Connector.Kind.SQL: _sql,
}
