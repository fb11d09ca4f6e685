"""A login of PostgreSQL's for each tenant that can do nothing but read the company's own tables, for SQL that was not written here.

PostgreSQL itself is the wall: the session is that login's, so no `SET ROLE`, `set_config` or function leads out of it. It may read the
tables in the tenant's schema that are not Kefu's own (those hold passwords, keys and sessions). Where there is one login for all, it is
made when it is first needed, and again when it may not read what is asked for: a table may be new, the schema copied or brought from
elsewhere. Where there are two, the owner's does so (`tenants.roles`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from psycopg import sql

from tenants.context import inside
from tenants.models import Tenant

Line = psycopg.Connection[tuple[Any, ...]]
ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname <> ALL (%s)
        AND pg_has_role(relowner, 'USAGE')
"""
UNREAD = """
    SELECT nspname FROM unnest(%(schemas)s::text[], %(readers)s::text[]) AS known (schema, reader)
    JOIN pg_namespace AS n ON nspname = schema
    LEFT JOIN pg_roles AS r ON rolname = reader
    WHERE r.oid IS NULL OR NOT has_schema_privilege(r.oid, n.oid, 'USAGE') OR EXISTS (
        SELECT FROM pg_class AS c
        WHERE relnamespace = n.oid AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname <> ALL (%(own)s)
            AND pg_has_role(relowner, 'USAGE') AND NOT has_table_privilege(r.oid, c.oid, 'SELECT')
    )
"""


@contextmanager
def reading(tenant: Tenant, milliseconds: int) -> Iterator[Line]:
    """A connection as the tenant's reader, in one transaction that changes nothing. Inside the tenant's schema."""
    known = connection.get_connection_params()
    settings = f"-c default_transaction_read_only=on -c statement_timeout={milliseconds} -c search_path={tenant.schema_name}"
    known |= {
        "user": name(tenant.schema_name),
        "password": _password(tenant.schema_name),
        "options": settings,
        "cursor_factory": psycopg.Cursor,
    }
    with psycopg.connect(**known) as line:
        yield line


def admit(tenant: Tenant) -> None:
    """Makes the tenant's reader, and lets it read every table of the company's own."""
    role, schema = sql.Identifier(name(tenant.schema_name)), sql.Identifier(tenant.schema_name)
    with inside(tenant), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('tenants.reader'))"
        )  # grants do not like company
        cursor.execute(ROLE, [name(tenant.schema_name)])
        verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
        cursor.execute(
            sql.SQL("{} ROLE {} LOGIN NOINHERIT PASSWORD {}").format(
                verb, role, hashed(name(tenant.schema_name), _password(tenant.schema_name))
            )
        )
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
        cursor.execute(TABLES, [f'"{tenant.schema_name}"', sorted(_own_tables())])
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("GRANT SELECT ON {}.{} TO {}").format(schema, sql.Identifier(table), role))


def unread(schemas: Collection[str]) -> list[str]:
    """Those of `schemas` that have no reader, or one that may not read what it should."""
    readers = [name(schema) for schema in schemas]
    about = {"schemas": list(schemas), "readers": readers, "own": sorted(_own_tables())}
    with connection.cursor() as cursor:
        cursor.execute(UNREAD, about)
        return [schema for (schema,) in cursor.fetchall()]


def dismiss(schema_name: str) -> None:
    """Removes the reader of a schema, if there is one: for whoever erases a tenant."""
    role = sql.Identifier(name(schema_name))
    with connection.cursor() as cursor:
        cursor.execute(ROLE, [name(schema_name)])
        if cursor.fetchone():
            cursor.execute(
                sql.SQL("GRANT {} TO CURRENT_USER").format(role)
            )  # who made it may not yet act for it
            cursor.execute(sql.SQL("DROP OWNED BY {}").format(role))
            cursor.execute(sql.SQL("DROP ROLE {}").format(role))


def name(schema_name: str) -> str:
    """Logins belong to the server, which may hold another database with a schema of the same name."""
    database = hashlib.sha256(connection.settings_dict["NAME"].encode()).hexdigest()[:8]
    return f"kefu_reader_{schema_name}_{database}"


def _password(schema_name: str) -> str:
    return salted_hmac("tenants.reader", name(schema_name), algorithm="sha256").hexdigest()


def hashed(login: str, password: str) -> sql.Literal:
    """As PostgreSQL keeps it, and its log may show it."""
    line = connection.connection.pgconn
    return sql.Literal(line.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode())


def _own_tables() -> set[str]:
    """Kefu's own, whichever schema they are in."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models} | {"django_migrations"}
