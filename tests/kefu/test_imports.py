"""Imports go one way: chat -> inference -> knowledge -> tenants; everybody may know what can go wrong and what is counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

MAY_IMPORT = {
    "tenants": set(),
    "knowledge": {"tenants"},
    "inference": {"tenants", "knowledge"},
    "chat": {"tenants", "knowledge", "inference"},
}
APPS = {*MAY_IMPORT, "kefu"}
LEAVES = {"kefu.errors", "kefu.metrics"}


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_it_imports_one_way_only(app: str) -> None:
    allowed = {app, *MAY_IMPORT[app]}
    wrong = [
        f"{path.relative_to(settings.BASE_DIR)}:{line} imports {module}"
        for path in files(app)
        for line, module in imports(path)
        if module.split(".")[0] in APPS - allowed and module not in LEAVES
    ]
    assert wrong == []


@pytest.mark.parametrize("leaf", ["kefu/errors.py", "kefu/metrics.py"])
def test_it_keeps_the_leaves_free_of_apps(leaf: str) -> None:
    names = {module.split(".")[0] for _, module in imports(settings.BASE_DIR / leaf)}
    assert names.isdisjoint(APPS)


def test_it_has_no_star_imports_and_no_signal_receivers() -> None:
    for app in APPS:
        for path in files(app):
            source = path.read_text()
            assert "import *" not in source, path
            assert "@receiver" not in source, path


def files(app: str) -> list[Path]:
    found = [path for path in (settings.BASE_DIR / app).rglob("*.py") if "migrations" not in path.parts]
    assert found
    return found


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import; `from kefu import metrics` counts as `kefu.metrics`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "kefu" else [module]
            yield from ((node.lineno, name) for name in names)
