"""What was shown, and to whom."""

from __future__ import annotations

from typing import Any

from tests.faults.evidence import CANARIES, Evidence, Found, Row


def shown(evidence: Evidence) -> Found:
    """Everybody was shown what the database has: all of it, and nothing else."""
    for view in evidence.views:
        there = {row["seq"]: _content_of_row(row) for row in evidence.messages.get(view["conversation"], [])}
        seen = {frame["seq"]: _content_of_frame(frame) for frame in view["messages"]}
        missing = [row for row in evidence.messages.get(view["conversation"], []) if row["seq"] not in seen]
        if missing:
            when = ", ".join(f"{row['seq']} (of {row['at']:.2f} s)" for row in missing)
            yield view["conversation"], f"{view['who']} was never shown {when}"
        for seq in sorted(seen.keys() - there.keys()):
            yield view["conversation"], f"{view['who']} was shown {seq}, which is not there: {seen[seq]}"
        for seq in sorted(seq for seq in seen.keys() & there.keys() if seen[seq] != there[seq]):
            yield view["conversation"], f"{view['who']} was shown {seen[seq]} as {seq}; it is {there[seq]}"


def shown_twice(evidence: Evidence) -> Found:
    """A frame may come twice, but one seq is one message and one message is one seq."""
    for view in evidence.views:
        by_seq: dict[int, Any] = {}
        by_message: dict[str, int] = {}
        for frame in view["messages"]:
            content, seq = _content_of_frame(frame), frame["seq"]
            if by_seq.setdefault(seq, content) != content:
                yield view["conversation"], f"{view['who']} was shown {by_seq[seq]} and {content} as {seq}"
            for id in filter(None, (frame["message"], frame["client_id"])):
                if by_message.setdefault(id, seq) != seq:
                    yield (
                        view["conversation"],
                        f"{view['who']} was shown {id} as {by_message[id]} and as {seq}",
                    )


def _content_of_row(row: Row) -> tuple[Any, ...]:
    return row["id"], row["client_id"], row["kind"], row["text"]


def _content_of_frame(frame: Row) -> tuple[Any, ...]:
    return frame["message"], frame["client_id"], frame["sender"]["kind"], frame["text"]


def foreign(evidence: Evidence) -> Found:
    """Nothing of another tenant is anywhere: every tenant's texts carry its canary."""
    for event in evidence.events:
        if event["event"] == "foreign":
            yield event.get("conversation", ""), f"{event['who']} got {event['frame']}"
    texts = [(row["conversation"], row["tenant"], row["text"]) for row in evidence.rows["messages"]]
    for conversation, tenant, text in texts:
        if any(canary in text for other, canary in CANARIES.items() if other != tenant):
            yield conversation, f"“{text}” is another tenant's"
    for view in evidence.views:
        if evidence.tenants.get(view["conversation"]) != view["tenant"]:
            yield (
                view["conversation"],
                f"{view['who']} of {view['tenant']} sees a conversation of another tenant",
            )
