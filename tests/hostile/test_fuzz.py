"""H52: every field of every kind of frame, wrong in every way: an error to that socket only, and nobody else notices."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat import events
from kefu import errors
from tenants.models import Tenant
from tests.chat.client import Frame, Socket, Visitor
from tests.hostile.conftest import HEAVY, Web
from tests.hostile.test_ownership import A_SOCKET, EXAMPLES

pytestmark = pytest.mark.product

CODES = {
    kind.code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.KefuError)
}
WRONG = [
    "null", "true", "0", "-1", "1.5", "2147483648", "9223372036854775808", "1e400", "-1e400", "NaN", "9" * 5000,
    '""', '" "', '"x"', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u202e\\u200b"', f'"{"x" * 5000}"',
    '"{{7*7}}"', '"%s%n"', '"../../etc"', "\"' OR 1=1 --\"", '"__class__"',
    "[]", "[null]", "{}", '{"a": 1}', "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500,
]  # fmt: skip
NONSENSE = [
    "", " ", "null", "true", "7", '"hello"', "[]", "[{}]", "{}", "{", "}", "nul", "\ufeff{}", "{'type': 'ping'}",
    '{"type": null}', '{"type": 7}', '{"type": []}', '{"type": {}}', '{"type": ""}', '{"type": "\\ud800"}', '{"type": "hello"}',
    '{"type": "__init__"}', '{"type": "ping", "type": "nothing"}', '{"type": "websocket.close"}', '{"TYPE": "ping"}',
    '{"\\ud800": 1}', '{"": ""}', "[" * 60_000, '{"a":' * 10_000, '{"type": "ping", "x": ' + "[" * 60_000, f'{{"{"k" * 60_000}": 1}}',
    "9" * 60_000, "1e" + "9" * 60_000, '"' + "\\u0000" * 10_000 + '"',
]  # fmt: skip


def spoilt(name: str, kinds: dict[str, Any], conversation: str) -> Iterator[str]:
    """A frame that is right but for one field: missing, or wrong."""
    right = {"type": name, "id": "x", "conversation": conversation, **EXAMPLES[name]}
    fields = kinds[name]._type.model_fields
    for field in fields:
        rest = {key: value for key, value in right.items() if key != field and key in fields}
        yield json.dumps(rest)
        yield from (json.dumps(rest)[:-1] + f', "{field}": {value}}}' for value in WRONG)
        yield from (
            json.dumps({**rest, field: right.get(field)})[:-1] + f', "{field}": {value}}}'
            for value in WRONG[:3]
        )


def live(socket: Socket, texts: list[str]) -> list[Frame]:
    """What is said to these frames. The socket is there afterwards."""
    for text in texts:
        socket.raw(text)
    end = uuid.uuid4().hex
    socket.send("ping", id=end)
    before = len(socket.frames)
    socket.expect("pong", id=end)
    return socket.frames[before:]


def check(socket: Socket, texts: list[str]) -> None:
    said = [frame for frame in live(socket, texts) if frame["type"] in ("error", "ack", "pong")]
    codes = {frame["code"] for frame in said if frame["type"] == "error"}
    assert codes and codes <= CODES - {"internal", "overloaded"}
    assert all(frame["message"] for frame in said if frame["type"] == "error")


@pytest.mark.parametrize("name", sorted(events.VISITOR_FRAMES))
def test_h52_a_visitors_frame_with_a_wrong_field_is_an_error_to_that_socket_only(
    web: Web, visitor: Visitor, bystander: Socket, name: str
) -> None:
    texts = list(spoilt(name, events.VISITOR_FRAMES, visitor.conversation))
    heard = len(bystander.frames)
    with web.stays_flat():
        for start in range(0, len(texts), A_SOCKET):
            with visitor.socket() as socket:
                check(socket, texts[start : start + A_SOCKET])
    assert len(bystander.frames) == heard


@pytest.mark.parametrize("name", sorted(events.AGENT_FRAMES))
def test_h52_an_agents_frame_with_a_wrong_field_is_an_error_to_that_socket_only(
    web: Web, visitor: Visitor, bystander: Socket, live_acme: Tenant, console: Callable[[Tenant, str], Socket], name: str
) -> None:  # fmt: skip
    texts = list(spoilt(name, events.AGENT_FRAMES, visitor.conversation))
    with web.stays_flat():
        for start in range(0, len(texts), A_SOCKET):
            check(console(live_acme, "Ann"), texts[start : start + A_SOCKET])


@pytest.mark.parametrize("greeted", [True, False], ids=["after hello", "before hello"])
def test_h52_what_is_no_frame_at_all_is_an_error_to_that_socket_only(
    web: Web, visitor: Visitor, bystander: Socket, greeted: bool
) -> None:
    with web.stays_flat():
        if greeted:
            with visitor.socket() as socket:
                check(socket, NONSENSE)
        else:
            with Socket(visitor.place, "/ws/v1/visitor", origin=visitor.place.origin) as socket:
                for text in NONSENSE:
                    if '"hello"}' not in text:
                        socket.raw(text)
                        assert socket.expect("error")["code"] in ("bad_frame", "unknown_type")


@pytest.mark.skipif(not HEAVY, reason="takes minutes: KEFU_HOSTILE=heavy")
@pytest.mark.timeout(1800)
def test_h52_a_million_pings_leave_nothing_behind(web: Web, visitor: Visitor) -> None:
    """In sockets of as many frames as each may send."""

    def pings(count: int) -> None:
        for _ in range(count // A_SOCKET):
            with visitor.socket() as socket:
                live(socket, ['{"type": "ping"}'] * A_SOCKET)

    pings(20_000)
    with web.stays_flat():
        pings(1_000_000)
