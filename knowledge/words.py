"""Cuts Chinese and English text into the words that both questions and passages are indexed by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import opencc
import rjieba

# They appear in any question whatever it asks, and so say nothing about which passage answers it.
STOP_WORDS = frozenset((Path(__file__).parent / "stop_words.txt").read_text("utf-8").split())
ZERO_WIDTH = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
HAS_WORD = re.compile(r"\w")
MAX_POSITION = 16_383  # the largest a tsvector can hold
MAX_POSITIONS_PER_WORD = 255


@cache
def _to_simplified() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def plain(text: str) -> str:
    """The text in one width, one case and simplified characters, without invisible ones."""
    folded = unicodedata.normalize("NFKC", text).translate(ZERO_WIDTH).casefold()
    simplified: str = _to_simplified().convert(folded)
    return simplified


def words(text: str) -> list[str]:
    """The words of a text in order, repeated as often as they appear, stop words left out."""
    cut = rjieba.cut_for_search(plain(text))
    return [_stem(word) for word in cut if word not in STOP_WORDS and HAS_WORD.search(word)]


def _stem(word: str) -> str:
    if not word.isascii() or len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def as_tsvector(found: Sequence[str]) -> str:
    """A `tsvector` literal. PostgreSQL's own parser never sees the text, so both sides are cut alike."""
    positions: dict[str, list[str]] = {}
    for position, word in enumerate(found[:MAX_POSITION], start=1):
        positions.setdefault(word, []).append(str(position))
    return " ".join(
        f"{_quoted(word)}:{','.join(at[:MAX_POSITIONS_PER_WORD])}" for word, at in positions.items()
    )


def as_tsquery(wanted: Sequence[str]) -> str:
    """The literal of a `tsquery` that matches any of the words."""
    return " | ".join(_quoted(word) for word in dict.fromkeys(wanted))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped[:500]}'"
