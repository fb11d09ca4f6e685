"""Cuts a document into passages small enough to answer one question, each with the headings above it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from semantic_text_splitter import MarkdownSplitter

PASSAGE_CHARACTERS = (220, 380)
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
HEADING_PATH_SEPARATOR = " > "
MAX_HEADING = 500
TABLE_RULE = re.compile(r"\|?\s*:?-{3,}")


@dataclass(frozen=True, slots=True)
class Piece:
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class _Heading:
    start: int
    path: str


def split(text: str) -> list[Piece]:
    return [piece for piece in _pieces(text) if piece.text]


def _pieces(text: str) -> Iterator[Piece]:
    headings = _headings(text)
    starts = [heading.start for heading in headings]
    for start, end in _sections(text, starts):
        index = bisect_right(starts, start) - 1
        path = headings[index].path if index >= 0 else ""
        body = HEADING.sub("", text[start:end], count=1) if index >= 0 else text[start:end]
        for passage in _passages(body.strip("\n")):
            yield Piece(heading=path[:MAX_HEADING], text=passage)


def _sections(text: str, starts: list[int]) -> Iterator[tuple[int, int]]:
    """A section is one topic: never does a passage run over a heading, or its heading would be half a lie."""
    bounds = [0, *starts, len(text)]
    yield from ((start, end) for start, end in pairwise(bounds) if start < end)


def _headings(text: str) -> list[_Heading]:
    found: list[_Heading] = []
    above: list[tuple[int, str]] = []
    for match in HEADING.finditer(_without_code(text)):
        level, title = len(match[1]), match[2].strip()
        above = [*(pair for pair in above if pair[0] < level), (level, title)]
        found.append(_Heading(match.start(), HEADING_PATH_SEPARATOR.join(name for _, name in above)))
    return found


def _without_code(text: str) -> str:
    """Fenced code blanked out in place: a `#` in it is a comment, not a heading."""
    return re.sub(
        r"^```.*?^```", lambda block: re.sub(r"[^\n]", " ", block[0]), text, flags=re.MULTILINE | re.DOTALL
    )


def _passages(body: str) -> Iterator[str]:
    splitter = MarkdownSplitter(PASSAGE_CHARACTERS)
    for start, passage in splitter.chunk_indices(body):
        yield (_table_header(body, start) + passage).strip()


def _table_header(body: str, start: int) -> str:
    """The column names for a passage that begins in the middle of a table, else nothing."""
    line_start = body.rfind("\n", 0, start) + 1
    if not body.startswith("|", line_start):
        return ""
    table: list[str] = []
    for line in reversed(body[:line_start].splitlines()):
        if not line.startswith("|"):
            break
        table.append(line)
    header = table[::-1][:2]
    return "\n".join(header) + "\n" if len(header) == 2 and TABLE_RULE.match(header[1]) else ""
