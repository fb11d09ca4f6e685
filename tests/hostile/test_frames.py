"""H51: frames without end, without sense, against the rules. The line is closed with a code, memory stays, others notice nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest

from chat.events import LONGEST_FRAME
from tests.chat.client import Place, Visitor
from tests.hostile.conftest import HEAVY, Web, greet
from tests.hostile.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, frame, head
from tests.product import wait_until

pytestmark = [pytest.mark.product, pytest.mark.usefixtures("bystander")]

GIGABYTE = 2**30
PROTOCOL_ERROR, NOT_TEXT, TOO_BIG, TOO_SLOW, FLOODING = 1002, 1007, 1009, 4008, 4029


def fragments(size: int) -> Iterator[bytes]:
    yield frame(TEXT, b"x" * size, fin=False)
    yield from repeat(frame(CONTINUATION, b"x" * size, fin=False), GIGABYTE // size)


def in_bunches(one: bytes, count: int) -> Iterator[bytes]:
    """Many frames a send, as quickly as the server takes them."""
    return repeat(one * 1000, count // 1000)


@pytest.mark.parametrize("size", [16_000, 200], ids=["large fragments", "small fragments"])
def test_h51_a_gigabyte_in_fragments_is_given_up_at_the_limit(web: Web, raw: Raw, size: int) -> None:
    with web.stays_flat():
        sent = raw.pour(fragments(size))
        assert raw.closed() == TOO_BIG
    assert sent < 50 * 2**20


def test_h51_a_gigabyte_that_is_only_announced_is_refused_at_once(web: Web, raw: Raw) -> None:
    with web.stays_flat():
        raw.send(head(BINARY, GIGABYTE) + b"x")
        assert raw.closed() == TOO_BIG


def test_h51_a_message_a_byte_too_long_is_told_so(raw: Raw) -> None:
    raw.send(frame(TEXT, b"x" * LONGEST_FRAME))
    raw.send(frame(TEXT, b"x" * LONGEST_FRAME, fin=False) + frame(CONTINUATION, b"x"))
    assert raw.closed() == TOO_BIG


def test_h51_fragments_with_nothing_in_them_are_counted_too(web: Web, raw: Raw) -> None:
    """Their sizes never add up to a limit."""
    with web.stays_flat():
        raw.send(frame(TEXT, fin=False))
        raw.pour(in_bunches(frame(CONTINUATION, fin=False), 5_000_000 if HEAVY else 500_000))
        assert raw.closed() == TOO_BIG


def test_h51_compression_is_not_agreed_to_and_a_compressed_bomb_is_not_unpacked(
    web: Web, acme_place: Place, visitor: Visitor, raw: Raw
) -> None:
    with Raw(acme_place) as other:
        answer = other.shake_hands(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
        assert "101" in answer and "deflate" not in answer
    with web.stays_flat():
        raw.send(frame(TEXT, b"\x00" * 60_000, reserved=4))
        assert raw.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "one", [frame(TEXT, b"{}"), frame(TEXT), frame(BINARY, b"x")], ids=["objects", "empty", "binary"]
)
def test_h51_a_flood_of_tiny_frames_is_closed(web: Web, raw: Raw, one: bytes) -> None:
    with web.stays_flat():
        raw.pour(in_bunches(one, 1_000_000 if HEAVY else 200_000))
        assert raw.closed() in (FLOODING, TOO_SLOW)  # it did not read the answers either


@pytest.mark.parametrize(
    "one", [frame(PING, b"x" * 125), frame(PING), frame(PONG)], ids=["long", "short", "pongs"]
)
@pytest.mark.parametrize("greeted", [True, False], ids=["after hello", "before hello"])
def test_h51_a_flood_of_pings_whose_answers_nobody_reads_is_closed(
    web: Web, acme_place: Place, visitor: Visitor, one: bytes, greeted: bool
) -> None:
    with web.stays_flat(), Raw(acme_place, buffer=4096) as line:
        greet(line, visitor) if greeted else line.shake_hands()
        line.pour(in_bunches(one, 1_000_000 if HEAVY else 200_000))
        # Its code comes behind the answers, and may be lost with what was not read.
        assert line.closed() in (FLOODING, 1006)


def test_h51_a_flood_of_pings_is_told_so_where_the_answers_are_read(raw: Raw) -> None:
    raw.pour(in_bunches(frame(PING), 10_000))
    assert raw.closed() == FLOODING


def test_h51_a_few_pings_are_no_flood(raw: Raw) -> None:
    raw.send(frame(PING, b"are you there?") * 5)
    assert [raw.next() for _ in range(5)] == [(PONG, b"are you there?")] * 5


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"{}", masked=False), PROTOCOL_ERROR),
        (frame(TEXT, b"{}", reserved=2), PROTOCOL_ERROR),
        (frame(TEXT, b"{}", reserved=1), PROTOCOL_ERROR),
        (frame(3), PROTOCOL_ERROR),
        (frame(7, b"x"), PROTOCOL_ERROR),
        (frame(11), PROTOCOL_ERROR),
        (frame(15, b"x"), PROTOCOL_ERROR),
        (frame(CONTINUATION, b"of nothing"), PROTOCOL_ERROR),
        (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), PROTOCOL_ERROR),
        (frame(PING, b"x", fin=False), PROTOCOL_ERROR),
        (frame(PING, b"x" * 126), PROTOCOL_ERROR),
        (frame(CLOSE, b"x"), PROTOCOL_ERROR),
        (frame(CLOSE, (999).to_bytes(2, "big")), PROTOCOL_ERROR),
        (frame(CLOSE, (1005).to_bytes(2, "big")), PROTOCOL_ERROR),
        (frame(TEXT, b"\xff\xfe"), NOT_TEXT),
        (frame(TEXT, "\ud800".encode("utf-8", "surrogatepass")), NOT_TEXT),
        (b"\xff" * 64, PROTOCOL_ERROR),
        (b"GET / HTTP/1.1\r\n\r\n", PROTOCOL_ERROR),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, bytes) else None,
)
def test_h51_what_breaks_the_rules_is_closed(raw: Raw, data: bytes, code: int) -> None:
    raw.send(data)
    assert raw.closed() == code


def test_h51_many_who_break_off_in_the_middle_leave_nothing_behind(web: Web, acme_place: Place) -> None:
    before = web.lines()
    with web.stays_flat():
        for _ in range(1000 if HEAVY else 100):
            with Raw(acme_place) as line:
                line.shake_hands()
                line.send(head(TEXT, 60_000) + b"x" * 50_000)
        wait_until(lambda: web.lines() <= before)
