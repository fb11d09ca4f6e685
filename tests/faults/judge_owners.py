"""Who answers: the bot or one person, and each of them once."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from tests.faults.evidence import Evidence, Found, Row
from tests.faults.history import Operation

# The system's lines, in a visitor's English, that say who answers from there on
HANDED_BACK = re.compile(r"(?P<name>.+) has handed the conversation back to the AI assistant\.$")
OWNERS = (
    ("agent", re.compile(r"(?:.+ is held up\. )?(?P<name>.+) is now talking with you\.$")),
    ("bot", HANDED_BACK),
    ("waiting", re.compile(r"A person will be with you shortly|Nobody is there right now")),
    ("closed", re.compile(r"The conversation has ended\.$")),
)


CLOCKS = 0.25  # seconds by which the log's clock and the database's may differ


@dataclass
class Period:
    """Messages of one conversation in which the same side answers."""

    owner: str
    messages: list[Row] = field(default_factory=list)


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
        conversation = those[0].conversation
        winners = [one.who for one in those if one.outcome == "ok"]
        told = {one.agent for one in those if one.code == "already_taken" and one.outcome == "fail"}
        if len(winners) > 1:
            yield conversation, f"{' and '.join(winners)} both took it over"
        elif len(told) > 1 or (len(winners) == 1 and told - {*winners}):
            yield conversation, f"{winners} took it over, but others were told {sorted(told)}"


def done_twice(evidence: Evidence) -> Found:
    """Who hands a conversation back once, and sends that again for want of an answer, hands it back once."""
    asked: dict[tuple[str, str], int] = defaultdict(int)
    for one in evidence.operations:
        asked[one.conversation, one.who] += one.do == "conversation.hand_back"
    done: dict[tuple[str, str], int] = defaultdict(int)
    for row in evidence.rows["messages"]:
        if row["kind"] == "system" and (match := HANDED_BACK.match(row["text"])):
            done[row["conversation"], match["name"]] += 1
    for (conversation, who), count in done.items():
        if count > asked[conversation, who]:
            yield (
                conversation,
                f"{who} handed it back {asked[conversation, who]} times, and it was done {count} times",
            )


def done_late(evidence: Evidence) -> Found:
    """What an agent is said to have done was done between their asking for it and the answer; not later, out of a frozen process."""
    asked: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for one in evidence.operations:
        if one.outcome == "fail":
            continue
        if one.do in ("conversation.take_over", "conversation.hand_back"):
            asked[one.conversation, f"{one.do} {one.who}"].append(one)
        elif one.do == "conversation.transfer":
            asked[one.conversation, f"conversation.take_over {one.to}"].append(one)
    for conversation, messages in evidence.messages.items():
        for row in messages:
            what = _said_to_have(row)
            if what and not any(_lies_in(row["at"], one) for one in asked[conversation, what]):
                yield (
                    conversation,
                    f"{row['seq']}, “{row['text']}” ({row['at']:.2f} s), when nobody was asking for it",
                )


def _said_to_have(row: Row) -> str:
    """What the system's line says of an agent, as an operation and a name."""
    done = {"agent": "conversation.take_over", "bot": "conversation.hand_back"}
    for owner, words in OWNERS:
        match = words.match(row["text"]) if row["kind"] == "system" and owner in done else None
        if match:
            return f"{done[owner]} {match['name']}"
    return ""


def _lies_in(at: float, one: Operation) -> bool:
    return one.began_at - CLOCKS <= at and (not one.ended or at <= one.ended_at + CLOCKS)


def taken(evidence: Evidence) -> Found:
    """Who took a conversation over was announced in it."""
    for one in evidence.operations:
        if one.do != "conversation.take_over" or one.outcome != "ok":
            continue
        lines = [row["text"] for row in evidence.messages[one.conversation] if row["kind"] == "system"]
        named = (words.match(text) for text in lines for name, words in OWNERS if name == "agent")
        if not any(match and match["name"] == one.who for match in named):
            yield one.conversation, f"{one.who} took it over, and no line says so"
