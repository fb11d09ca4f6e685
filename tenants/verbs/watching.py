"""A bar for what tells how far it has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext_lazy
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tenants.progress import Progress
from tenants.verbs.screen import Screen

SAID = {
    "verify": gettext_lazy("checking"),
    "files": gettext_lazy("files"),
    "wait": gettext_lazy("until nobody works for it any more"),
    "schema": gettext_lazy("its schema"),
    "redis": gettext_lazy("Redis and queues"),
    "public_rows": gettext_lazy("its entry"),
    "cross_validate": gettext_lazy("measuring the quick model on examples held back"),
    "embed": gettext_lazy("reading the examples' meaning"),
    "cross_validate_meaning": gettext_lazy("measuring the second opinion on examples held back"),
}


@contextmanager
def watched(screen: Screen) -> Iterator[Progress]:
    """Shown only where somebody looks."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    is_silent = screen.as_json or not screen.err.is_terminal
    with Bar(*columns, console=screen.err, transient=True, disable=is_silent) as bar:
        task = bar.add_task("", total=None)

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=str(SAID.get(what, what)), completed=done, total=total or None)

        yield progress
