"""What the bots did and were told: an append-only log of invocations and their outcomes, as in Jepsen.

One event is one JSON line. `invoke` says what was asked for; `ok`, `fail` or `unknown` how that ended, under the same `op`:

    {"at": 3.1, "event": "invoke", "op": "id", "who": "vera", "tenant": "acme", "do": "message.send", "conversation": "...", "text": "..."}
    {"at": 3.2, "event": "ok", "op": "id", "seq": 7, "line": "socket", "tries": 1}
    {"at": 3.2, "event": "fail", "op": "id", "code": "already_taken", "agent": "Ann"}

`fail` is a refusal that is final; where an earlier try was never answered, nobody can tell whether that one succeeds: `unknown`.
Other events: `again` (the ack of a resend: `op`, `seq`), `foreign` (a frame with another tenant's canary), `left` (a
socket, with its close code), `fault` and `heal`, and `died` (a program that nobody ended).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Log:
    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.began, self.clock = time.monotonic(), time.time()
        self._file = path.open("w", buffering=1)

    def add(self, event: str, **fields: Any) -> None:
        """`at` is in seconds since the log began."""
        line = {"at": round(time.monotonic() - self.began, 4), "event": event, **fields}
        self.events.append(line)
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


@dataclass
class Operation:
    op: str
    who: str
    tenant: str
    do: str
    conversation: str
    text: str = ""
    race: str = ""  # operations with the same one were begun at once
    to: str = ""  # the agent whom it is passed on to
    began: int = 0  # places in the log
    ended: int = 0
    began_at: float = 0.0  # seconds
    ended_at: float = 0.0
    outcome: str = "unknown"
    seq: int = 0
    line: str = ""  # the socket, or "http"
    tries: int = 0
    code: str = ""
    agent: str = ""  # who has the conversation, says a refusal


def operations(events: Iterable[Event]) -> list[Operation]:
    """In the order of their invocations. What never ended is unknown."""
    found: dict[str, Operation] = {}
    for place, event in enumerate(events):
        if event["event"] == "invoke":
            fields = {name: event[name] for name in ("op", "who", "tenant", "do", "conversation")}
            more = {name: event[name] for name in ("text", "race", "to") if name in event}
            found[event["op"]] = Operation(**fields, **more, began=place, began_at=event.get("at", 0.0))
        elif event["event"] in ("ok", "fail", "unknown"):
            one = found[event["op"]]
            one.outcome, one.ended, one.ended_at = event["event"], place, event.get("at", 0.0)
            for name in ("seq", "line", "tries", "code", "agent"):
                setattr(one, name, event.get(name, getattr(one, name)))
    return list(found.values())


def read(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text().splitlines()]
