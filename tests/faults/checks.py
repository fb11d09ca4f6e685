"""What must hold after any run. Pure functions of the log, of what each bot was shown, and of the rows in the database.

    view: {"who", "tenant", "conversation", "messages": [message frames, as they came]}; what HTTP says is one more view
    rows: {"conversations": [{"tenant", "id", "last_seq"}],
           "messages": [{"tenant", "conversation", "seq", "id", "client_id", "kind", "at", "text", "through"}],
           "pending": [{"tenant", "conversation"}]}

`python -m tests.faults.checks FOLDER` checks once more what a run has left there.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults import history
from tests.faults.history import Event, Operation

View = dict[str, Any]
Rows = dict[str, list[dict[str, Any]]]
Row = dict[str, Any]

CANARIES = {"acme": "canary-of-acme", "globex": "canary-of-globex"}
AT_MOST = {"ok": (1, 1), "unknown": (0, 1), "fail": (0, 0)}  # rows of an operation: at least, at most
# Close codes: the server goes away, the client was cut off, did not read or went elsewhere
EXCUSED = (None, 1000, 1001, 1006, 1012, 4008)
# The system's lines, in a visitor's English, that say who answers from there on
OWNERS = (
    ("agent", re.compile(r"(?:.+ is held up\. )?(?P<name>.+) is now talking with you\.$")),
    ("bot", re.compile(r".+ has handed the conversation back to the AI assistant\.$")),
    ("waiting", re.compile(r"A person will be with you shortly|Nobody is there right now")),
    ("closed", re.compile(r"The conversation has ended\.$")),
)


class Violation(NamedTuple):
    kind: str
    tenant: str
    conversation: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.tenant} {self.conversation}: {self.what}"


@dataclass
class Period:
    """Messages of one conversation in which the same side answers."""

    owner: str
    messages: list[Row] = field(default_factory=list)


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


def check(events: list[Event], views: list[View], rows: Rows, kinds: Sequence[str] = ()) -> list[Violation]:
    """Of these kinds; of all unless named."""
    messages: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows["messages"], key=lambda row: row["seq"]):
        messages[row["conversation"]].append(row)
    tenants = {row["id"]: row["tenant"] for row in rows["conversations"]}
    evidence = Evidence(events, history.operations(events), views, rows, messages, tenants)
    return [
        Violation(kind, tenants.get(conversation, "?"), conversation, what)
        for kind in kinds or CHECKS
        for conversation, what in CHECKS[kind](evidence)
    ]


Found = Iterator[tuple[str, str]]  # (conversation, what is wrong)

# --- Messages ---------------------------------------------------------------------------------------------------------


def lost(evidence: Evidence) -> Found:
    """Every acknowledged message is there, as it was acknowledged."""
    rows = {(row["conversation"], row["client_id"]): row for row in evidence.rows["messages"]}
    for one in evidence.sent:
        row = rows.get((one.conversation, one.op))
        if one.outcome == "ok" and row is None:
            yield (
                one.conversation,
                f"“{one.text}” of {one.who} was acknowledged as {one.seq} and is not there",
            )
        elif one.outcome == "ok" and row and (row["seq"], row["text"]) != (one.seq, one.text):
            yield (
                one.conversation,
                f"“{one.text}” was acknowledged as {one.seq}; {row['seq']} is “{row['text']}”",
            )


def twice(evidence: Evidence) -> Found:
    """No message is there more often than it was sent: once, or not at all if it was refused; and none that nobody sent."""
    known = {(one.conversation, one.op): one for one in evidence.sent}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in evidence.rows["messages"]:
        if row["kind"] in ("visitor", "agent"):
            counts[row["conversation"], row["client_id"]] += 1
    for key, count in counts.items():
        one = known.get(key)
        if one is None:
            yield key[0], f"nobody sent {key[1]}"
        elif count > AT_MOST[one.outcome][1]:
            yield key[0], f"“{one.text}” of {one.who} ({one.outcome}) is there {count} times"


def resent(evidence: Evidence) -> Found:
    """A resend is answered with the first ack's seq."""
    known = {one.op: one for one in evidence.sent}
    for event in evidence.events:
        if event["event"] == "again" and event["seq"] != known[event["op"]].seq:
            one = known[event["op"]]
            yield one.conversation, f"“{one.text}” was acknowledged as {one.seq}, then as {event['seq']}"


def whole(evidence: Evidence) -> Found:
    """Sequences run from 1 without holes, up to what the conversation says."""
    for conversation in evidence.rows["conversations"]:
        seqs = [row["seq"] for row in evidence.messages.get(conversation["id"], [])]
        if seqs != list(range(1, conversation["last_seq"] + 1)):
            missing = sorted({*range(1, conversation["last_seq"] + 1)} - {*seqs})
            yield (
                conversation["id"],
                f"last_seq is {conversation['last_seq']}, rows {len(seqs)}, without {missing}",
            )


def order(evidence: Evidence) -> Found:
    """What was acknowledged before another was begun stands before it; so do messages sent once, on one socket."""
    newest: dict[str, int] = defaultdict(int)  # acknowledged so far
    floors: dict[str, int] = {}
    by_socket: dict[tuple[str, str], int] = defaultdict(int)
    sent = {one.op: one for one in evidence.sent}
    for event in evidence.events:
        one = sent.get(event.get("op", ""))
        if one and event["event"] == "invoke":
            floors[one.op] = newest[one.conversation]
        elif one and event["event"] == "ok":
            newest[one.conversation] = max(newest[one.conversation], one.seq)
            before = floors[one.op]
            if one.tries == 1 and one.line != "http":
                before = max(before, by_socket[one.conversation, one.line])
                by_socket[one.conversation, one.line] = max(one.seq, before)
            if one.seq <= before:
                yield one.conversation, f"“{one.text}” of {one.who} is {one.seq}, after {before}"


def unended(evidence: Evidence) -> Found:
    """Everything that was asked was answered in the end."""
    for one in evidence.operations:
        if not one.ended:
            yield one.conversation, f"{one.do} of {one.who} got no answer: “{one.text}”"


def turned_away(evidence: Evidence) -> Found:
    """No socket is closed for anything that its client did: they all have good credentials and send good frames."""
    for event in evidence.events:
        if event["event"] == "left" and event["code"] not in EXCUSED:
            yield "", f"{event['who']} was closed with {event['code']}, {event['at']} s"


# --- Views ------------------------------------------------------------------------------------------------------------


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


# --- Who answers ------------------------------------------------------------------------------------------------------


def pending(evidence: Evidence) -> Found:
    """No turn of the bot's stays behind."""
    for row in evidence.rows["pending"]:
        yield row["conversation"], "a turn is still pending"


def unanswered(evidence: Evidence) -> Found:
    """Every question is answered, unless somebody came between."""
    for conversation, messages in evidence.messages.items():
        last = periods(messages)[-1]
        if last.owner != "bot":
            continue
        through = max((row["through"] for row in last.messages if row["kind"] == "bot"), default=0)
        for row in last.messages:
            if row["kind"] == "visitor" and row["seq"] > through:
                yield conversation, f"nobody answered {row['seq']}, “{row['text']}”"


def answered_twice(evidence: Evidence) -> Found:
    """Each answer of the bot is to something that no other answer was to, and that came before it."""
    for conversation, messages in evidence.messages.items():
        asked = {row["seq"] for row in messages if row["kind"] == "visitor"}
        through = 0
        for row in messages:
            if row["kind"] != "bot":
                continue
            if not any(through < seq <= row["through"] for seq in asked):
                yield (
                    conversation,
                    f"{row['seq']} answers up to {row['through']}, as did the one before ({through})",
                )
            if row["through"] >= row["seq"]:
                yield conversation, f"{row['seq']} answers {row['through']}, which comes after it"
            through = max(through, row["through"])


def talked_over(evidence: Evidence) -> Found:
    """While a person answers, the bot does not; nor in a conversation that has ended."""
    for conversation, messages in evidence.messages.items():
        for period in periods(messages):
            for row in period.messages:
                if row["kind"] == "bot" and period.owner in ("agent", "closed"):
                    yield (
                        conversation,
                        f"the bot said {row['seq']}, “{row['text']}”, while it was {period.owner}",
                    )


def periods(messages: list[Row]) -> list[Period]:
    """From the system's own lines. It begins with the bot."""
    found = [Period("bot")]
    for row in messages:
        if row["kind"] == "system":
            owner = next((name for name, words in OWNERS if words.match(row["text"])), None)
            if owner:
                found.append(Period(owner))
        found[-1].messages.append(row)
    return found


def races(evidence: Evidence) -> Found:
    """Of agents who take a conversation over at once one wins, and the others are told who."""
    racing: dict[str, list[Operation]] = defaultdict(list)
    for one in evidence.operations:
        if one.race and one.do == "conversation.take_over":
            racing[one.race].append(one)
    for those in racing.values():
        winners = [one.who for one in those if one.outcome == "ok"]
        told = {one.agent for one in those if one.outcome == "fail"}
        if len(winners) > 1:
            yield those[0].conversation, f"{' and '.join(winners)} both took it over"
        elif len(told) > 1 or (winners and told - {*winners}):
            yield those[0].conversation, f"{winners} took it over, but others were told {sorted(told)}"


def taken(evidence: Evidence) -> Found:
    """Who took a conversation over was announced in it."""
    for one in evidence.operations:
        if one.do != "conversation.take_over" or one.outcome != "ok":
            continue
        lines = [row["text"] for row in evidence.messages[one.conversation] if row["kind"] == "system"]
        named = (words.match(text) for text in lines for name, words in OWNERS if name == "agent")
        if not any(match and match["name"] == one.who for match in named):
            yield one.conversation, f"{one.who} took it over, and no line says so"


CHECKS: dict[str, Callable[[Evidence], Found]] = {
    "lost": lost,
    "there too often": twice,
    "acknowledged twice": resent,
    "not whole": whole,
    "out of order": order,
    "no answer": unended,
    "turned away": turned_away,
    "not shown": shown,
    "shown twice": shown_twice,
    "another tenant's": foreign,
    "pending": pending,
    "unanswered": unanswered,
    "answered twice": answered_twice,
    "talked over": talked_over,
    "race": races,
    "takeover": taken,
}


def check_folder(folder: Path) -> list[Violation]:
    views, rows = (json.loads((folder / f"{name}.json").read_text()) for name in ("views", "rows"))
    return check(history.read(folder / "history.jsonl"), views, rows)


if __name__ == "__main__":
    sys.stdout.writelines(f"{violation}\n" for violation in check_folder(Path(sys.argv[1])))
