"""How verbs speak: tables, bars and ticks for people, JSON for programs. No colour where the output is piped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kefu.errors import WrongState

PIPED = 1000  # characters: programs that read lines want them whole


def operators_language() -> str:
    """As the shell says it."""
    told = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh-hans" if told.lower().startswith("zh") else "en"


class Screen:
    """Standard output holds the result; progress and questions go to standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    def tick(self, text: str) -> None:
        self._line("[green]✓[/]", text)

    def cross(self, text: str) -> None:
        self._line("[bold red]✗[/]", text)

    def note(self, text: str) -> None:
        self._line(" ", text)

    def _line(self, sign: str, text: str) -> None:
        if not self.as_json:
            self.out.print(f"{sign} {escape(text)}")

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()
    ) -> None:
        """`numbers` are the columns that stand on the right."""
        if self.as_json:
            return
        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
        for number in numbers:
            table.columns[number].justify = "right"
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    def json(self, data: Any) -> None:
        """What a program gets to see, once, at the end."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")

    def fail(self, text: str) -> None:
        self.json({"error": text})
        if not self.as_json:
            self.err.print(f"[bold red]✗[/] {escape(text)}")

    def bar(self) -> Progress:
        """For `with`; shown only where somebody looks."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal)

    def ask(self, question: str, *, yes: bool) -> None:
        """Returns when the operator agrees; raises WrongState when not, or when nobody is there to be asked."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise WrongState(_("Nobody is there to be asked; --yes agrees beforehand."))
        self.err.print(f"{escape(question)} [dim]y/n[/]", end=" ")
        if input().strip().lower() not in ("y", "yes", "是"):
            raise WrongState(_("Nothing was changed."))


def _console(stream: Any) -> Console:
    # A table for a pipe is as wide as it needs to be, not 80 columns with its names cut off.
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)
