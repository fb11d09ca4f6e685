"""There is one door into a schema, `tenants.context`. Whatever else could lead into one, or around it, is found here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

APPS = ("kefu", "tenants", "knowledge", "inference", "chat")
# (file, what it uses): why it may. Whoever adds a line explains it here.
ALLOWED = {
    ("tenants/context.py", "tenant_context"): "the door itself",
    ("tenants/context.py", "schema_context"): "the door itself",
    (
        "tenants/context.py",
        "sync_to_async",
    ): "the door itself: its own threads, entered and left in one function",
    ("tenants/middleware.py", "set_tenant"): "a request is one thread from here to its end",
    ("tenants/middleware.py", "set_schema_to_public"): "... which may have served somebody else before",
    ("tenants/reader.py", "search_path"): "a connection of its own, as a login that can read one schema only",
    (
        "chat/writer.py",
        "search_path",
    ): "a connection of its own, whose path is empty: every name in its SQL carries the schema",
    ("tenants/database/base.py", "search_path"): "asks where a connection is, and does not move it",
    (
        "tenants/cloning.py",
        "search_path",
    ): "for its own transaction, while PostgreSQL writes down a schema's definitions",
    ("tenants/outbound.py", "to_thread"): "looks a name up in DNS; no database",
    ("chat/uploads.py", "to_thread"): "writes files, and counts in Redis; no database",
    ("chat/downloads.py", "to_thread"): "reads files; no database",
    ("inference/generation.py", "to_thread"): "writes the prompt; no database",
    ("inference/knowing.py", "to_thread"): "compares sentences by their vectors; no database",
    ("inference/intents.py", "to_thread"): "makes a vector; no database",
    ("knowledge/corpus.py", "to_thread"): "makes a vector; no database",
    ("inference/checking.py", "to_thread"): "writes the prompt; no database",
    ("inference/local/processes.py", "to_thread"): "looks for a folder; no database",
    ("inference/load.py", "to_thread"): "reads the GPU; no database",
    (
        "inference/admin_connectors.py",
        "async_to_sync",
    ): "tries a look-up, which enters the schema by the door where it reads a table",
    ("chat/delivery.py", "async_to_sync"): "rings bells, by names that carry the schema; no database",
    ("kefu/dev/supervisor.py", "to_thread"): "starts and ends programs; no database",
}
WAYS_IN = {
    "set_schema", "set_schema_to_public", "set_tenant", "schema_context", "tenant_context", "tenant_migration", "activate_tenant",
    "sync_to_async", "database_sync_to_async", "async_to_sync", "to_thread", "run_in_executor", "use_public_schema",
}  # fmt: skip
# What a query set or a manager does with the database at once.
QUERIES = {
    "aget", "afirst", "alast", "acount", "aexists", "acreate", "aupdate", "adelete", "asave", "abulk_create", "aget_or_create",
    "aupdate_or_create", "aiterator", "arefresh_from_db", "objects", "_base_manager", "_default_manager", "atomic",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}"


def test_it_has_no_other_way_into_a_schema() -> None:
    others = [str(found) for found in ways_in() if (found.file, found.what) not in ALLOWED]
    assert not others, (
        f"{others}: use tenants.context (database_call, public_call, inside, outside), or say in ALLOWED why not"
    )


def test_it_allows_nothing_that_is_gone() -> None:
    assert {(found.file, found.what) for found in ways_in()} == ALLOWED.keys()


def test_no_coroutine_asks_the_database_itself() -> None:
    """It would ask on the loop's thread, in whatever schema that was left in."""
    others = [str(found) for found in queries_in_coroutines()]
    assert not others, f"{others}: put it into a function, and hand that to database_call"


def test_it_finds_what_is_planted() -> None:
    """The check checks: each way in is seen in a file that has it."""
    for name in WAYS_IN:
        assert [*names_in(ast.parse(f"async def f(): await {name}(connection.cursor)"))]
    assert [*names_in(ast.parse("connection.tenant = other"))]
    assert [*names_in(ast.parse("cursor.execute(f'SET search_path TO {schema}')"))]
    assert [*queries_of(ast.parse("async def f(): return [m for m in Message.objects.all()]"))]
    assert not [
        *queries_of(ast.parse("async def f():\n def g(): return Message.objects.get()\n await call(g)"))
    ]


def ways_in() -> Iterator[Finding]:
    for file, tree in trees():
        for line, what in names_in(tree):
            yield Finding(file, line, what)


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    prose = {id(part) for part in docstrings(tree)}
    for node in ast.walk(tree):
        written = getattr(node, "attr", None) or getattr(node, "id", None)
        if written in WAYS_IN:
            yield node.lineno, str(written)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if written in ("tenant", "schema_name") and getattr(node.value, "id", "") == "connection":
                yield node.lineno, "connection.tenant"
        elif isinstance(node, ast.Constant) and "search_path" in str(node.value) and id(node) not in prose:
            yield node.lineno, "search_path"


def docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def queries_in_coroutines() -> Iterator[Finding]:
    for file, tree in trees():
        for line, what in queries_of(tree):
            yield Finding(file, line, what)


def queries_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for coroutine in ast.walk(tree):
        if isinstance(coroutine, ast.AsyncFunctionDef):
            for node in within(coroutine):
                if isinstance(node, ast.Attribute) and node.attr in QUERIES:
                    yield node.lineno, node.attr


def within(coroutine: ast.AST) -> Iterator[ast.AST]:
    """Without the functions that it defines: those may run elsewhere."""
    for node in ast.iter_child_nodes(coroutine):
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            yield node
            yield from within(node)


@cache
def trees() -> tuple[tuple[str, ast.AST], ...]:
    root = settings.BASE_DIR
    return tuple((path.relative_to(root).as_posix(), ast.parse(path.read_text())) for path in files(root))


def files(root: Path) -> list[Path]:
    found = [path for app in APPS for path in (root / app).rglob("*.py") if "migrations" not in path.parts]
    assert len(found) > 50
    return found
