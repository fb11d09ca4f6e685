"""The models that the operator has put below KEFU_MODELS: one folder each. A tenant's admin names one of them, never a path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from inference.local.failure import LocalFailed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
CONFIG = "genai_config.json"

Mark = tuple[tuple[str, int, int], ...]


def names() -> list[str]:
    """Of all that may be chosen."""
    try:
        found = sorted(entry.name for entry in settings.MODELS.iterdir())
    except OSError:  # not there, or not ours to read
        return []
    return [name for name in found if _is_model(name)]


def folder_of(name: str) -> Path:
    """Raises LocalFailed for what is no such folder, however it is written: `..`, an absolute path, a link that leads outside."""
    if not _is_model(name):
        raise LocalFailed("not there")
    return Path(settings.MODELS, name)


def mark_of(folder: Path) -> Mark:
    """Another one whenever something in the folder has changed. Raises OSError where it is gone."""
    return tuple(
        (path.name, stat.st_mtime_ns, stat.st_size) for path in _files(folder) for stat in [path.stat()]
    )


def _is_model(name: str) -> bool:
    if not NAME.fullmatch(name):
        return False
    folder = Path(settings.MODELS, name)
    try:
        root = folder.parent.resolve(strict=True)
        inside = [folder, *_files(folder)]
        return (folder / CONFIG).is_file() and all(
            path.resolve(strict=True).is_relative_to(root) for path in inside
        )
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return False


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.rglob("*")))
