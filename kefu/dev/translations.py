"""Compiles `.po` files to the `.mo` files that gettext reads; no gettext tools needed."""

from __future__ import annotations

import os
from pathlib import Path

from kefu.dev.environment import PROJECT


def compile_translations(project: Path = PROJECT) -> list[Path]:
    """Compiles the catalogues whose source is newer, each replaced in one step; returns what it wrote."""
    stale = [po for po in project.glob("*/locale/*/LC_MESSAGES/*.po") if is_stale(po)]
    for source in stale:
        compile_one(source)
    return stale


def is_stale(source: Path) -> bool:
    compiled = source.with_suffix(".mo")
    return not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime


def compile_one(source: Path) -> None:
    import polib  # here: most starts compile nothing

    fresh = source.with_suffix(f".{os.getpid()}.new")
    polib.pofile(str(source)).save_as_mofile(str(fresh))
    fresh.replace(source.with_suffix(".mo"))


if __name__ == "__main__":
    compile_translations()
