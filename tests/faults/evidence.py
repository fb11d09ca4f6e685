"""What a run leaves to judge: the log, what each bot was shown, and the rows in the database.

view: {"who", "tenant", "conversation", "messages": [message frames, as they came]}; what HTTP says is one more view
rows: {"conversations": [{"tenant", "id", "last_seq"}],
       "messages": [{"tenant", "conversation", "seq", "id", "client_id", "kind", "at", "text", "through"}],
       "pending": [{"tenant", "conversation"}]}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults import history
from tests.faults.history import Event, Operation

Row = dict[str, Any]
View = Row
Rows = dict[str, list[Row]]
Found = Iterator[tuple[str, str]]  # (conversation, what is wrong)


CANARIES = {"acme": "canary-of-acme", "globex": "canary-of-globex"}


@dataclass
class Evidence:
    events: list[Event]
    operations: list[Operation]
    views: list[View]
    rows: Rows
    messages: dict[str, list[Row]]  # by conversation, in the order of seq
    tenants: dict[str, str]  # of conversations

    @property
    def sent(self) -> list[Operation]:
        return [one for one in self.operations if one.do == "message.send"]


def gather(events: list[Event], views: list[View], rows: Rows) -> Evidence:
    messages: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows["messages"], key=lambda row: row["seq"]):
        messages[row["conversation"]].append(row)
    tenants = {row["id"]: row["tenant"] for row in rows["conversations"]}
    return Evidence(events, history.operations(events), views, rows, messages, tenants)
