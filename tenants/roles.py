"""Two logins of PostgreSQL's: the owner's makes and changes tables, the application's only works with the rows in them.

Programs of the operator's hold the owner's, web and workers never (`kefu.settings`); so whatever the owner makes has to be opened to the
application. Where there is one login for all, there is nothing to open.
"""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _
from psycopg import sql

from kefu.errors import WrongState
from tenants import reader
from tenants.models import Tenant
from tenants.names import PUBLIC

# By PostgreSQL's kinds of relations: what the application may do with which.
OPENED = (
    ("rpvmf", sql.SQL("SELECT, INSERT, UPDATE, DELETE"), sql.SQL("TABLE")),
    ("S", sql.SQL("USAGE, SELECT"), sql.SQL("SEQUENCE")),
)
# Neither what an extension brought, nor what others made in a schema of ours.
IS_OURS = """
    pg_has_role(relowner, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
"""
RELATIONS = f"""
    SELECT relname FROM pg_class AS c
    WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND strpos(%s, relkind::text) > 0 AND {IS_OURS}
"""
CLOSED = f"""
    SELECT nspname FROM pg_namespace AS n WHERE nspname = ANY (%(schemas)s) AND (
        NOT has_schema_privilege(%(login)s, n.oid, 'USAGE') OR EXISTS (
            SELECT FROM pg_class AS c WHERE relnamespace = n.oid AND relkind IN ('r', 'p', 'v', 'm', 'f')
            AND NOT has_table_privilege(%(login)s, c.oid, 'DELETE') AND {IS_OURS}
        )
    )
"""


def is_owner() -> bool:
    """Whether this process may make schemas."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE')")
        return bool(cursor.fetchone()[0])


def check_owner() -> None:
    """Raises WrongState, before anything is begun that only the owner can end."""
    if not is_owner():
        raise WrongState(
            _(
                "The login in DATABASE_URL may not make or remove tables: give one that may in KEFU_OWNER_DATABASE_URL."
            )
        )


def admit(schema: str) -> None:
    """The application to the rows of a schema, those of later tables too; and a tenant's reader to its own tables."""
    if not settings.APPLICATION_DATABASE:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        login, place = _login(cursor), sql.Identifier(schema)
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(place, login))
        for kinds, what, kind in OPENED:
            cursor.execute(RELATIONS, [schema, kinds])
            if names := [sql.Identifier(schema, name) for (name,) in cursor.fetchall()]:
                grant = sql.SQL("GRANT {} ON {} {} TO {}")
                cursor.execute(grant.format(what, kind, sql.SQL(", ").join(names), login))
            later = sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT {} ON {}S TO {}")
            cursor.execute(later.format(place, what, kind, login))
    if schema != PUBLIC:
        reader.admit(Tenant(schema_name=schema))


def closed(schemas: Collection[str]) -> list[str]:
    """Those of `schemas` to which somebody has yet to be admitted."""
    if not settings.APPLICATION_DATABASE:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        _login(cursor)
        cursor.execute(CLOSED, {"schemas": list(schemas), "login": settings.APPLICATION_DATABASE["USER"]})
        found = {name for (name,) in cursor.fetchall()}
    return sorted(found.union(reader.unread([name for name in schemas if name != PUBLIC])))


def _login(cursor: CursorWrapper) -> sql.Identifier:
    """The application's, made if it is not there; one that is stays as it is."""
    about = settings.APPLICATION_DATABASE
    login = sql.Identifier(about["USER"])
    cursor.execute(reader.ROLE, [about["USER"]])
    if not cursor.fetchone():
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
        if about["PASSWORD"]:
            password = reader.hashed(about["USER"], about["PASSWORD"])
            cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, password))
        # A temporary table would stand in front of the real one, for whichever tenant has the connection next.
        database = sql.Identifier(connection.settings_dict["NAME"])
        cursor.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
    return login
