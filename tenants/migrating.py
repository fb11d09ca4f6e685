"""One schema, brought to what this code needs.

What Django's `migrate` does, without what it does over again for each of a thousand schemas: reading the project's history from the start,
drawing all models, and asking after content types that no migration touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.models.expressions import RawSQL
from django.utils import translation
from django.utils.translation import gettext as _

from kefu.errors import NotFound
from tenants import locks
from tenants.context import inside, outside
from tenants.models import SchemaState, Tenant
from tenants.names import PUBLIC, TEMPLATE

ENTERED = "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE')"
AT_ONCE = 500  # schemas in one query: each table it reads is a lock
PATIENCE = "15s"  # for a table that others use; whoever asks for it then waits behind us
Node = tuple[str, str]
# After these and no others, content types and permissions are as they were.
PLAIN_OPERATIONS = (
    migrations.AddField,
    migrations.AlterField,
    migrations.RemoveField,
    migrations.RenameField,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.AddConstraint,
    migrations.RemoveConstraint,
    migrations.RunPython,
    migrations.RunSQL,
)


@cache
def leaves(*, public: bool) -> tuple[Node, ...]:
    """The last migrations of all apps that have tables there; who has these has all before them.

    Those of apps that are in public only are left off a tenant: such a migration must not cost a visit to a thousand schemas.
    """
    wanted = {config.label for config in apps.get_app_configs() if config.name in _apps(public)}
    graph = MigrationLoader(None).graph
    return tuple(node for node in graph.leaf_nodes() if node[0] in wanted)


def _apps(public: bool) -> list[str]:
    return settings.SHARED_APPS if public else settings.TENANT_APPS


@cache
def _all(*, public: bool) -> tuple[str, ...]:
    """Everything that leads to the leaves, in order."""
    graph = MigrationLoader(None).graph
    nodes = dict.fromkeys(node for leaf in leaves(public=public) for node in graph.forwards_plan(leaf))
    return tuple(f"{app}.{name}" for app, name in nodes)


def missing(schema: str, applied: Iterable[str]) -> list[str]:
    has = set(applied)
    return [name for name in _all(public=schema == PUBLIC) if name not in has]


def needed(schema: str) -> set[str]:
    """As `recorded` names them."""
    return {f"{app}.{name}" for app, name in leaves(public=schema == PUBLIC)}


def is_enough(schema: str, applied: Iterable[str]) -> bool:
    return needed(schema) <= set(applied)


def migrated_tenants() -> set[int]:
    """The keys of those whose schemas have all that this code needs, as their rows say: a query that is quick with a thousand tenants.

    They may have more: newer code may have migrated them already. A schema that this login may not enter is left off: PostgreSQL would
    find public's tables in place of its own.
    """
    enough = models.Q(tenant__schema_name=PUBLIC, applied__contains=[*needed(PUBLIC)]) | (
        ~models.Q(tenant__schema_name=PUBLIC) & models.Q(applied__contains=[*needed(TEMPLATE)])
    )
    entered = models.Q(tenant__schema_name__in=RawSQL(ENTERED, ()))
    return set(SchemaState.objects.filter(enough & entered).values_list("tenant_id", flat=True))


def recorded(schemas: Iterable[str]) -> dict[str, list[str]]:
    """The migrations of each of `schemas` that has any, in the order in which they were applied; a query for some hundred schemas."""
    there = _with_history(schemas)
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for start in range(0, len(there), AT_ONCE):
            parts = (
                f"SELECT '{schema}', coalesce(array_agg(app || '.' || name ORDER BY id), '{{}}')"
                f' FROM "{schema}".django_migrations'
                for schema in there[start : start + AT_ONCE]
            )
            cursor.execute(" UNION ALL ".join(parts))
            found.update(cursor.fetchall())
    return found


def _with_history(schemas: Iterable[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname::text FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid"
            " WHERE relname = 'django_migrations' AND relkind = 'r' AND nspname = ANY(%s)",
            [list(schemas)],
        )
        return [name for (name,) in cursor.fetchall()]


def ensure_public() -> bool:
    """The schema where tenants are kept; False if there was nothing to do."""
    applied = recorded([PUBLIC]).get(PUBLIC)
    if applied is not None and is_enough(PUBLIC, applied):
        return False
    with outside():
        MigrationRecorder(connection).ensure_schema()
    migrate(PUBLIC)
    return True


def migrate(schema: str) -> list[str]:
    """Returns the migrations it has then. Each is a transaction of its own: whoever is killed half-way goes on with the next one.

    Raises NotFound where there is no such schema, and whatever a migration raises.
    """
    with inside(Tenant(schema_name=schema)), translation.override(None), locks.held(f"schema {schema}"):
        if not _with_history([schema]):
            # Without a table of its own, the public one would be read and written in its place.
            raise NotFound(_("The schema %(name)s is not there.") % {"name": schema})
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [PATIENCE])
        try:
            _migrate(schema)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
        return recorded([schema])[schema]


def _migrate(schema: str) -> None:
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    targets = list(leaves(public=schema == PUBLIC))
    plan = executor.migration_plan(targets)
    if not plan:
        return
    state = _state_before(frozenset(executor.loader.applied_migrations))
    emit_pre_migrate_signal(0, False, connection.alias, apps=state.apps, plan=plan)
    executor.migrate(targets, plan=plan, state=state.clone())
    if not all(_is_plain(migration) for migration, _backwards in plan):
        emit_post_migrate_signal(0, False, connection.alias, plan=plan)


def _state_before(applied: frozenset[Node]) -> ProjectState:
    """All models as they are after `applied`. What they remember of content types is another schema's, and is forgotten."""
    state = _drawn(applied)
    if ("contenttypes", "contenttype") in state.models:
        state.apps.get_model("contenttypes", "contenttype").objects.clear_cache()
    return state


@lru_cache(maxsize=4)
def _drawn(applied: frozenset[Node]) -> ProjectState:
    executor: Any = MigrationExecutor(connection)
    state: ProjectState = executor._create_project_state(
        with_applied_migrations=True
    )  # as Django's `migrate` does
    state.apps  # noqa: B018  # draws them; a copy has them drawn already
    return state


def _is_plain(migration: Migration) -> bool:
    return all(isinstance(operation, PLAIN_OPERATIONS) for operation in migration.operations)
