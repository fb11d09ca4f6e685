"""What must hold after any run: pure functions of the evidence, each named by the kind of violation that it finds.

`python -m tests.faults.checks FOLDER` checks once more what a run has left there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.faults import history, judge_messages, judge_owners, judge_views
from tests.faults.evidence import Evidence, Found, Rows, View, gather
from tests.faults.history import Event

CHECKS: dict[str, Callable[[Evidence], Found]] = {
    "lost": judge_messages.lost,
    "there too often": judge_messages.twice,
    "acknowledged twice": judge_messages.resent,
    "not whole": judge_messages.whole,
    "out of order": judge_messages.order,
    "no answer": judge_messages.unended,
    "turned away": judge_messages.turned_away,
    "not shown": judge_views.shown,
    "shown twice": judge_views.shown_twice,
    "another tenant's": judge_views.foreign,
    "pending": judge_owners.pending,
    "unanswered": judge_owners.unanswered,
    "answered twice": judge_owners.answered_twice,
    "talked over": judge_owners.talked_over,
    "race": judge_owners.races,
    "takeover": judge_owners.taken,
    "done twice": judge_owners.done_twice,
    "done late": judge_owners.done_late,
}


class Violation(NamedTuple):
    kind: str
    tenant: str
    conversation: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.tenant} {self.conversation}: {self.what}"


def check(
    events: list[Event], views: list[View], rows: Rows, kinds: Sequence[str] = tuple(CHECKS)
) -> list[Violation]:
    evidence = gather(events, views, rows)
    return [
        Violation(kind, evidence.tenants.get(conversation, "?"), conversation, what)
        for kind in kinds
        for conversation, what in CHECKS[kind](evidence)
    ]


def check_folder(folder: Path) -> list[Violation]:
    views, rows = (json.loads((folder / f"{name}.json").read_text()) for name in ("views", "rows"))
    return check(history.read(folder / "history.jsonl"), views, rows)


if __name__ == "__main__":
    sys.stdout.writelines(f"{violation}\n" for violation in check_folder(Path(sys.argv[1])))
