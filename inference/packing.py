"""Texts as few bytes for Redis: a dialogue takes a fifth to two fifths of what it takes as JSON (`make bench ARGS=dialogue`).

GB 18030 holds all of Unicode and writes most Chinese characters in two bytes, where UTF-8 takes three. zlib is given what the product
itself says (own_words.txt, made by `python -m kefu.dev.own_words`) as if it had read it before; its checksums tell what was damaged, or
packed with other words.
"""

from __future__ import annotations

import zlib
from pathlib import Path

CHARSET = "gb18030"
OWN_WORDS = (Path(__file__).parent / "own_words.txt").read_text("utf-8").encode(CHARSET)
LEVEL = 1  # a dialogue in half the time of level 6, and hardly longer
_SEPARATOR = "\0"  # PostgreSQL takes no text that holds it

# It has read the words, and is copied, because reading them takes a while.
_fresh = zlib.compressobj(LEVEL, zdict=OWN_WORDS)


def pack(texts: list[str]) -> bytes:
    packer = _fresh.copy()
    return packer.compress(_SEPARATOR.join(texts).encode(CHARSET)) + packer.flush()


def unpack(packed: bytes) -> list[str]:
    """Raises ValueError."""
    unpacker = zlib.decompressobj(zdict=OWN_WORDS)
    try:
        joined = unpacker.decompress(packed)
    except zlib.error as error:
        raise ValueError("damaged, or of another version") from error
    if not unpacker.eof:
        raise ValueError("cut off")
    return joined.decode(CHARSET).split(_SEPARATOR)
