"""H53, H54: who connects and says nothing, says it very slowly, or does not listen."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chat.client import Place, Socket, Visitor
from tests.hostile.conftest import HEAVY, Web, greet
from tests.hostile.raw import TEXT, Raw, frame, head
from tests.product import wait_until

pytestmark = pytest.mark.product

MANY = 5000 if HEAVY else 500
HUNG_UP, NO_CREDENTIALS, TOO_SLOW = 1006, 4001, 4008
PATIENCE = 40.0  # seconds until lines that are due after ten must be closed, on a slow machine


# --- H53: silence -----------------------------------------------------------------------------------------------------


def silent(line: Raw) -> None:
    pass


def half_a_head(line: Raw) -> None:
    line.send(b"GET /ws/v1/visitor HTTP/1.1\r\nHost: acme.localhost\r\nX-Slow: ")


def an_odd_head(line: Raw) -> None:
    """It passes as HTTP, but has more headers than a WebSocket's may have."""
    many = b"".join(b"X-%d: x\r\n" % number for number in range(300))
    line.send(
        b"GET /ws/v1/visitor HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + many
    )
    line.send(b"\r\n")


def half_a_request(line: Raw) -> None:
    """After a whole one, on a line that is kept for more."""
    line.send(b"GET /healthz HTTP/1.1\r\nHost: acme.localhost\r\n\r\n")
    line.http_head()
    line.got = b""
    line.line.recv(100)
    half_a_head(line)


def no_hello(line: Raw) -> None:
    line.shake_hands()


def half_a_hello(line: Raw) -> None:
    line.shake_hands()
    line.send(head(TEXT, 60_000) + b'{"type":"hello"')


def a_word_before_hello(line: Raw) -> None:
    line.shake_hands()
    line.send(frame(TEXT, b'{"type": "ping"}'))
    assert b"unknown_type" in line.next()[1]


WAYS: dict[Callable[[Raw], None], int] = {
    silent: HUNG_UP,
    half_a_head: HUNG_UP,
    an_odd_head: HUNG_UP,
    no_hello: NO_CREDENTIALS,
    half_a_hello: NO_CREDENTIALS,
    a_word_before_hello: NO_CREDENTIALS,
}


@pytest.fixture
def crowd(acme_place: Place) -> Iterator[list[Raw]]:
    lines = [Raw(acme_place) for _ in range(MANY)]
    yield lines
    for line in lines:
        line.line.close()


def test_h53_lines_on_which_nobody_says_who_they_are_are_closed_and_keep_nobody_out(
    web: Web, visitor: Visitor, crowd: list[Raw]
) -> None:
    ways = list(WAYS)
    waiting = {line: ways[number % len(ways)] for number, line in enumerate(crowd)}
    deadline = time.monotonic() + PATIENCE
    with web.stays_flat(most=MANY * 100_000):
        for line, way in waiting.items():
            way(line)
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} are still open"
            with visitor.socket() as tab:
                assert visitor.say(tab, "let me in")["type"] == "ack"
            for line in ended(waiting, seconds=0.5):
                assert line.closed() == WAYS[waiting[line]], waiting[line].__name__
                del waiting[line]
            for line, way in waiting.items():
                if way is half_a_head:
                    line.send(b"x")  # a byte now and then buys no time
    wait_until(lambda: web.lines() == 0)


def ended(lines: Iterable[Raw], seconds: float) -> list[Raw]:
    by_number = {line.line.fileno(): line for line in lines}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _event in poll.poll(seconds * 1000)]


# --- H54: who does not listen -----------------------------------------------------------------------------------------

LONG = '"' * 4000
MESSAGES, TABS = 200, 4  # some 10 KB each on the wire: more than a queue and what systems keep for a reader


def test_h54_a_reader_that_stops_is_closed_and_misses_nothing_when_it_comes_back(
    web: Web, acme_place: Place, visitor: Visitor, bystander: Socket
) -> None:
    others = web.lines()
    with Raw(acme_place, buffer=4096) as line:
        greet(line, visitor)
        with web.stays_flat(), ThreadPoolExecutor(TABS) as tabs:
            list(tabs.map(talk, [visitor] * TABS, range(TABS)))
            wait_until(lambda: web.lines() == others)
        assert line.closed() in (
            TOO_SLOW,
            HUNG_UP,
        )  # the code comes behind what was not read, and may be lost
    seqs = [message["seq"] for message in whole_history(visitor)]
    assert seqs == list(range(1, len(seqs) + 1)) and len(seqs) >= MESSAGES


def talk(visitor: Visitor, part: int) -> None:
    with visitor.socket() as tab:
        for number in range(MESSAGES // TABS):
            assert visitor.say(tab, LONG, id=f"m{part}-{number}")["type"] == "ack"


def whole_history(visitor: Visitor) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    more = True
    while more:
        _status, page = visitor.history(f"?after={len(found)}&limit=200")
        found, more = [*found, *page["messages"]], page["more"]
    return found
