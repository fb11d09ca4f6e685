"""Cuts English into the pieces that BERT models read: whole words, and parts of rare ones.

`tokenizers` would cut no better, and brings a client of a model hub with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import regex

LONGEST = 128  # pieces; what the encoder was trained with
LONGEST_WORD = 100  # characters; longer ones are not words
# As BERT's authors cut: punctuation, Chinese characters and ASCII signs stand alone, a sign such as € does not.
_WORD = regex.compile(r"\p{Han}|[^\s\p{P}\p{Han}$+<=>^`|~]+|\S")
_ACCENT = "Mn"


def read(listed: Path) -> dict[str, int]:
    """Each piece's number, which is that of its line; a piece that goes on with a word begins with ##."""
    return {piece: number for number, piece in enumerate(listed.read_text("utf-8").splitlines())}


def cut(text: str, known: Mapping[str, int]) -> list[int]:
    """The numbers of the pieces of `text`, between those of beginning and end: at most LONGEST."""
    parted = unicodedata.normalize("NFD", text.lower())
    plain = "".join(character for character in parted if unicodedata.category(character) != _ACCENT)
    found = [number for word in _WORD.findall(plain) for number in _pieces(word, known)]
    return [known["[CLS]"], *found[: LONGEST - 2], known["[SEP]"]]


def _pieces(word: str, known: Mapping[str, int]) -> list[int]:
    """The longest piece that fits, again and again; a word with a part that is no piece is unknown as a whole."""
    found: list[int] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        ends = range(len(word), start, -1) if len(word) <= LONGEST_WORD else ()
        end = next((end for end in ends if mark + word[start:end] in known), None)
        if end is None:
            return [known["[UNK]"]]
        found.append(known[mark + word[start:end]])
        start = end
    return found
