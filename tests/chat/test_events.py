"""H52: whatever a client sends, a frame is understood or refused; nothing of it gets further."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from chat import events
from chat.events import AGENT_FRAMES, HELLO, VISITOR_FRAMES, parse
from kefu.errors import BadFrame, KefuError, TooLong, UnknownType

CONVERSATION, FILE = str(uuid.uuid4()), str(uuid.uuid4())
WHOLE: dict[str, dict[str, Any]] = {
    "hello": {"token": "abc", "after": {CONVERSATION: 3}},
    "ping": {"id": "p1"},
    "typing": {"conversation": CONVERSATION},
    "read": {"conversation": CONVERSATION, "seq": 3},
    "message.send": {"id": "m1", "conversation": CONVERSATION, "text": "你好", "attachments": [FILE]},
    "resync": {"id": "r1", "conversation": CONVERSATION, "after": 0},
    "conversation.end": {"id": "e1", "conversation": CONVERSATION, "epoch": 3},
    "agent.request": {"id": "a1", "conversation": CONVERSATION, "reason": "why", "epoch": 3},
    "answer.stop": {"id": "s1", "conversation": CONVERSATION},
    "answer.again": {"id": "s2", "conversation": CONVERSATION},
    "feedback": {"id": "f1", "conversation": CONVERSATION, "seq": 2, "score": -1, "comment": "no"},
    "rate": {"id": "r2", "conversation": CONVERSATION, "score": 5, "comment": "yes"},
    "subscribe": {"id": "u1", "list": "mine"},
    "unsubscribe": {"id": "u2", "conversation": CONVERSATION},
    "presence": {"id": "p2", "state": "away"},
    "conversation.take_over": {"id": "t1", "conversation": CONVERSATION, "epoch": 3},
    "conversation.hand_back": {"id": "t2", "conversation": CONVERSATION, "epoch": 3},
    "conversation.transfer": {
        "id": "t3",
        "conversation": CONVERSATION,
        "agent": 7,
        "note": "yours",
        "epoch": 3,
    },
    "note": {"id": "n1", "conversation": CONVERSATION, "text": "careful"},
}
KINDS = HELLO | VISITOR_FRAMES | AGENT_FRAMES
BAD_VALUES = {
    "null": None,
    "a number": 1,
    "a list": [],
    "an object": {},
    "truth": True,
    "infinity": float("inf"),
    "a huge number": 10**400,
    "below zero": -2,
    "a lone surrogate": "\ud800",
    "NUL": "a\x00b",
    "a long text": "长" * 5000,
}
# What is harmless where it stands: the frame is understood and the value ignored, or is right there.
FINE = {
    ("hello", "token"): {"NUL", "a long text", "a lone surrogate"},
    ("hello", "after"): {"an object"},
    ("ping", "id"): {"null"},
    ("message.send", "attachments"): {"a list"},
    ("rate", "score"): {"a number"},
    ("feedback", "score"): {"a number", "truth"},
    ("subscribe", "list"): {"null"},
    ("unsubscribe", "conversation"): {"null"},
} | {(kind, name): {"a number"} for kind in WHOLE for name in ("seq", "agent") if name in WHOLE[kind]}
FINE |= {(kind, "epoch"): {"a number", "null"} for kind in WHOLE}
FINE[("resync", "after")] = {"a number"}

OPTIONAL = {
    "hello": {"token", "after"},
    "ping": {"id"},
    "message.send": {"text", "attachments"},  # one of the two: limits.checked_text
    "subscribe": {"list", "conversation"},
    "unsubscribe": {"list", "conversation"},
    "conversation.transfer": {"note"},
}


def refused(text: str | None, kinds: dict[str, Any] = KINDS) -> KefuError:
    with pytest.raises((BadFrame, UnknownType, TooLong)) as caught:
        parse(text, kinds)
    # What is said about it can be sent.
    json.dumps(events.error_frame(caught.value), ensure_ascii=False).encode()
    return caught.value


def frame(kind: str, **other: Any) -> str:
    return json.dumps({"type": kind, **WHOLE[kind], **other})


def test_it_knows_every_kind_of_frame_of_the_protocol() -> None:
    assert set(KINDS) == set(WHOLE)


@pytest.mark.parametrize("kind", WHOLE)
def test_it_understands_a_whole_frame_and_ignores_what_it_does_not_know(kind: str) -> None:
    understood = parse(frame(kind, role="agent", sender="bot", tenant="globex", agent_id=1), KINDS)
    assert understood.type == kind
    assert not hasattr(understood, "role") and not hasattr(understood, "tenant")


def test_it_transfers_to_a_colleague_or_to_a_team_but_not_to_both() -> None:
    whole = WHOLE["conversation.transfer"]
    to_team = {name: value for name, value in whole.items() if name != "agent"} | {"team": 3}
    assert parse(json.dumps({"type": "conversation.transfer", **to_team}), KINDS).team == 3
    assert is_refused(frame("conversation.transfer", team=3), "t3")
    assert is_refused(json.dumps({"type": "conversation.transfer", **to_team, "team": None}), "t3")


def test_it_takes_ten_files_each_once_and_not_eleven() -> None:
    files = [str(uuid.uuid4()) for _ in range(10)]
    assert [*map(str, parse(frame("message.send", attachments=files), KINDS).attachments)] == files
    twice = parse(frame("message.send", attachments=[FILE, FILE]), KINDS)
    assert twice.attachments == (uuid.UUID(FILE),)
    assert is_refused(frame("message.send", attachments=[*files, FILE]), "m1")
    assert is_refused(frame("message.send", attachments=["../../etc/passwd"]), "m1")


def is_refused(text: str, id: str | None) -> bool:
    try:
        parse(text, KINDS)
    except (BadFrame, UnknownType, TooLong) as error:
        assert error.id == id
        json.dumps(events.error_frame(error), ensure_ascii=False).encode()
        return True
    return False


@pytest.mark.parametrize("kind", WHOLE)
def test_it_refuses_every_wrong_value(kind: str) -> None:
    taken = {
        (name, what)
        for name in WHOLE[kind]
        for what, value in BAD_VALUES.items()
        if not is_refused(frame(kind, **{name: value}), None if name == "id" else WHOLE[kind].get("id"))
    }
    assert taken == {(name, what) for name in WHOLE[kind] for what in FINE.get((kind, name), ())}


@pytest.mark.parametrize("kind", WHOLE)
def test_it_refuses_a_frame_with_a_field_missing(kind: str) -> None:
    for name in WHOLE[kind].keys() - OPTIONAL.get(kind, set()) - {"reason", "comment", "epoch"}:
        less = {"type": kind} | {field: value for field, value in WHOLE[kind].items() if field != name}
        assert is_refused(json.dumps(less), None if name == "id" else WHOLE[kind].get("id")), name


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "null",
        "1",
        '"text"',
        "[]",
        "[{}]",
        "{",
        "{'type': 'ping'}",
        "{}{}",
        "NaN",
        "[" * 30_000,
        '{"type":' * 10_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"type": "ping", "id": ' + "9" * 5_000 + "}",
        "\x00",
        "\ufeff{}",
    ],
)
def test_it_refuses_what_is_no_object(text: str | None) -> None:
    assert isinstance(refused(text), BadFrame)


@pytest.mark.parametrize(
    "kind", [None, 1, 1e400, [], {}, True, "", "PING", "ping ", "__class__", "message", "\ud800"]
)
def test_it_names_the_frame_whose_type_is_unknown(kind: Any) -> None:
    error = refused(json.dumps({"type": kind, "id": "x1"}))
    assert isinstance(error, UnknownType)
    assert error.id == "x1"


@pytest.mark.parametrize("id", ["", "a" * 65, "a b", "a\n", "é", "a\x00", "\ud800", 1, None, [], {}])
def test_it_gives_no_bad_id_back(id: Any) -> None:
    error = refused(json.dumps({"type": "answer.stop", "id": id, "conversation": CONVERSATION}))
    assert error.id is None


def test_it_says_of_a_long_message_that_it_is_too_long() -> None:
    error = refused(frame("message.send", text="长" * 4001))
    assert isinstance(error, TooLong)
    assert error.id == "m1"
    assert parse(frame("message.send", text="长" * 4000), KINDS).text == "长" * 4000


def test_it_lets_nobody_speak_before_the_hello() -> None:
    for kind in WHOLE.keys() - {"hello"}:
        assert isinstance(refused(frame(kind), HELLO), UnknownType)


def test_it_keeps_agents_verbs_from_visitors_and_the_other_way_round() -> None:
    for kind in ("conversation.take_over", "note", "conversation.transfer", "presence", "subscribe"):
        assert isinstance(refused(frame(kind), VISITOR_FRAMES), UnknownType)
    for kind in ("agent.request", "feedback", "rate", "answer.stop", "answer.again"):
        assert isinstance(refused(frame(kind), AGENT_FRAMES), UnknownType)


@pytest.mark.parametrize(
    "after",
    [
        {"\ud800": 1},
        {"x" * 1000: 1},
        {CONVERSATION: "1"},
        {CONVERSATION: -1},
        {CONVERSATION: 1.5},
        {CONVERSATION: 2**40},
    ],
)
def test_it_refuses_a_hello_with_a_wrong_place_to_go_on_from(after: dict[str, Any]) -> None:
    refused(json.dumps({"type": "hello", "token": "t", "after": after}))
