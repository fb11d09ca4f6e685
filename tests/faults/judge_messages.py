"""What was sent, acknowledged and kept."""

from __future__ import annotations

from collections import defaultdict

from tests.faults.evidence import Evidence, Found

AT_MOST = {"ok": 1, "unknown": 1, "fail": 0}  # rows of an operation
# Close codes: the server goes away, the client was cut off, did not read or went elsewhere
EXCUSED = (None, 1000, 1001, 1006, 1012, 4008)


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
        elif count > AT_MOST[one.outcome]:
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
