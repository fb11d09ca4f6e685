"""How far migrations have come: of this Kefu, of a schema, of an archive."""

from __future__ import annotations

from functools import cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from tenants.archive.problems import Damaged, newer
from tenants.archive.rules import tenant_apps

State = dict[str, list[str]]  # names of migrations, by app


@cache
def _loader() -> MigrationLoader:
    """What is on the disk; it does not change while this code runs."""
    return MigrationLoader(None)


def newest() -> State:
    """Everything that this Kefu can apply to a tenant."""
    return _by_app(_loader().graph.nodes)


def applied() -> State:
    """Inside the schema."""
    known = _loader().graph.nodes
    return _by_app(node for node in MigrationRecorder(connection).applied_migrations() if node in known)


def _by_app(nodes: object) -> State:
    labels = tenant_apps()
    state: State = {}
    for app, name in sorted(nodes):  # type: ignore[call-overload]
        if app in labels:
            state.setdefault(app, []).append(name)
    return state


def check_readable(state: State) -> None:
    """Raises Refused for the state of a newer or a foreign Kefu."""
    known = newest()
    strange = [
        f"{app}.{name}" for app, names in state.items() for name in names if name not in known.get(app, ())
    ]
    if strange:
        raise newer(", ".join(sorted(strange)[:3]))
    nodes = _nodes(state)
    if any(parent not in nodes for node in nodes for parent in _parents(node)):
        raise Damaged("it names migrations without those they build on")


def _nodes(state: State) -> set[tuple[str, str]]:
    return {(app, name) for app, names in state.items() for name in names}


def _parents(node: tuple[str, str]) -> list[tuple[str, str]]:
    labels = tenant_apps()
    parents = _loader().graph.node_map[node].parents
    return [parent.key for parent in parents if parent.key[0] in labels]


def expected_tables(state: State) -> dict[str, set[str]]:
    """The columns of every table that migrations up to `state` make."""
    models = _loader().project_state(sorted(_nodes(state))).apps.get_models(include_auto_created=True)
    labels = tenant_apps()
    return {
        model._meta.db_table: {str(field.column) for field in model._meta.concrete_fields}
        for model in models
        if model._meta.app_label in labels and model._meta.managed
    }


def migrate_to(state: State) -> None:
    """An empty schema's tables as they were at `state`. Inside it."""
    executor = MigrationExecutor(connection)
    wanted = _nodes(state)
    graph = executor.loader.graph
    last = [
        node for node in wanted if not any(child.key in wanted for child in graph.node_map[node].children)
    ]
    executor.migrate(sorted(last))
