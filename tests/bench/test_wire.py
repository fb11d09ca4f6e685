from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from tests.bench.wire import CLOSE, PING, TEXT, Reader, close_frame, code_of, frame, value


def sent(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    """As another implementation's server writes it."""
    return Frame(opcode, payload, fin).serialize(mask=False)


PAYLOADS = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65_535, b"e" * 65_536]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_it_puts_messages_together_from_pieces_of_any_size(step: int) -> None:
    stream = b"".join(sent(Opcode.TEXT, payload) for payload in PAYLOADS[:4])
    reader, found = Reader(), []
    for start in range(0, len(stream), step):
        found += reader.feed(stream[start : start + step])
    assert found == [(TEXT, payload) for payload in PAYLOADS[:4]]
    assert reader.rest == b""


@pytest.mark.parametrize("payload", PAYLOADS)
def test_it_reads_every_length(payload: bytes) -> None:
    data, reader = sent(Opcode.TEXT, payload), Reader()
    assert reader.feed(data[:-1]) == []
    assert reader.feed(data[-1:]) == [(TEXT, payload)]


def test_it_puts_fragments_together_and_lets_a_ping_pass_between_them() -> None:
    reader = Reader()
    found = reader.feed(sent(Opcode.TEXT, b"one ", fin=False) + sent(Opcode.PING, b"there?"))
    assert found == [(PING, b"there?")]
    found = reader.feed(sent(Opcode.CONT, b"two ", fin=False))
    assert found == []
    found = reader.feed(sent(Opcode.CONT, b"three") + sent(Opcode.TEXT, b"next"))
    assert found == [(TEXT, b"one two three"), (TEXT, b"next")]


def test_it_refuses_a_compressed_message() -> None:
    with pytest.raises(ValueError, match="compresses"):
        Reader().feed(b"\xc1\x01x")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_another_implementation_reads_what_it_writes(payload: bytes) -> None:
    assert parsed(frame(payload)) == (True, Opcode.TEXT, payload)
    assert parsed(frame(payload, last=False)) == (False, Opcode.TEXT, payload)


def test_it_reads_and_writes_close_codes() -> None:
    fin, opcode, payload = parsed(close_frame(4008))
    assert (fin, opcode, code_of(payload)) == (True, Opcode.CLOSE, 4008)
    assert [code_of(payload) for _, payload in Reader().feed(sent(Opcode.CLOSE, b""))] == [1005]
    assert Reader().feed(sent(Opcode.CLOSE, b"\x03\xe8bye")) == [(CLOSE, b"\x03\xe8bye")]


def test_it_finds_values_in_json_as_either_server_writes_it() -> None:
    for text in (
        b'{"type":"message","seq":17,"client_id":null,"last":2}',
        b'{"type": "message", "seq": 17, "client_id": null, "last": 2}',
    ):
        assert value(text, b'"type":') == b"message"
        assert value(text, b'"seq":') == b"17"
        assert value(text, b'"client_id":') == b"null"
        assert value(text, b'"last":') == b"2"
        with pytest.raises(ValueError, match="not found"):
            value(text, b'"none":')


def parsed(data: bytes) -> tuple[bool, Opcode, bytes]:
    """A client's frame, read by websockets' own parser."""
    rest = memoryview(data)

    def read_exact(size: int):
        nonlocal rest
        piece, rest = bytes(rest[:size]), rest[size:]
        return piece
        yield

    def run():
        return (yield from Frame.parse(read_exact, mask=True))

    try:
        next(run())
    except StopIteration as end:
        assert not rest
        return end.value.fin, end.value.opcode, bytes(end.value.data)
    raise AssertionError("incomplete")
