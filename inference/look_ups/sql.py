"""Rows of the company's own tables."""

from __future__ import annotations

import logging

import psycopg
from django.db import DatabaseError, OperationalError

from inference import queries
from inference.look_ups.replies import Failed, Row
from inference.models import Connector
from tenants import reader, roles
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)

TIME_LIMIT = 2000  # milliseconds


async def ask(tenant: Tenant, connector: Connector, values: dict[str, str]) -> Row | None:
    """The first row. Raises Failed.

    One SELECT, by a login that can only read this company's tables, for two seconds at most, with bound parameters. As a subquery it
    can be nothing but a SELECT, and PostgreSQL's extended protocol (`binary`) takes one statement at a time; the simple one would run
    "SELECT 1; COMMIT; DELETE ..." as well.
    """
    try:
        query = f"SELECT * FROM (\n{queries.checked(connector.query)}\n) AS found LIMIT 1"
        return await database_call(tenant, _admitted, tenant, query, values)
    except (DatabaseError, psycopg.Error, queries.Forbidden, KeyError, ValueError) as error:
        is_down = isinstance(error, psycopg.OperationalError | OperationalError)
        raise Failed(f"{type(error).__name__}: {error}", is_down=is_down) from error


def request(connector: Connector, values: dict[str, str]) -> str:
    return "\n".join(
        [connector.query.strip(), "", *(f"-- {name} = {value!r}" for name, value in values.items())]
    )


def _admitted(tenant: Tenant, query: str, values: dict[str, str]) -> Row | None:
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
