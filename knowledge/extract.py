"""The sentences of a passage that answer best, for when no model may write the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.embedding import embed, embed_question
from knowledge.words import words

SENTENCE = re.compile(r".+?(?:(?:[。！？!?]+[”」’)）]*|\.(?=[\s*]))(?:\*\*(?!\w))?|$)", re.DOTALL)
BLOCK_LINE = re.compile(r"\s*(?:[-*+•]\s|\d+[.)、]\s*|\||>|#)")
LEADING_HEADING = re.compile(r"\A(?:#{1,6}[^\n]*\n+)+")
ASKS = re.compile(r"[？?]\W*\Z")  # a document of questions and answers: the questions answer nothing
SHORT_ENOUGH = 160  # characters: such a passage is an answer as it stands
WORDS_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, or a whole list or table: half of one of those says less than nothing."""

    text: str
    is_block: bool


def best_sentences(question: str, passage_text: str, limit: int = 3, *, is_whole: bool = True) -> str:
    """At most `limit` units of the passage, the best for the question, in their order and as they stand.

    A short passage is an answer as it stands; unless `is_whole` is false, when something is left out wherever that is possible.
    """
    text = LEADING_HEADING.sub("", passage_text).strip()
    units = _units(text)
    answers = [unit for unit in units if not ASKS.search(unit.text)] or units
    if len(answers) < len(units):
        text, units = _joined(answers), answers
    if not is_whole:
        limit = max(1, min(limit, len(units) - 1))
    if (is_whole and len(text) <= SHORT_ENOUGH) or len(units) <= limit:
        return text
    scores = _scores(question, units)
    best = sorted(range(len(units)), key=lambda index: -scores[index])[:limit]
    return _joined([units[index] for index in sorted(_with_lead_in(best, units, scores, limit))])


def _units(text: str) -> list[_Unit]:
    units: list[_Unit] = []
    for paragraph in re.split(r"\n\s*\n", text):
        prose: list[str] = []
        block: list[str] = []
        for line in paragraph.splitlines():
            (block if BLOCK_LINE.match(line) or block else prose).append(line)
        sentences = (_closed(match[0]) for match in SENTENCE.finditer("\n".join(prose)))
        units += [_Unit(sentence, False) for sentence in sentences if sentence]
        if block:
            units.append(_Unit("\n".join(block), True))
    return units


def _closed(sentence: str) -> str:
    """Without the half of a pair of bold marks whose other half stayed in another sentence."""
    return (sentence.replace("**", "") if sentence.count("**") % 2 else sentence).strip()


def _scores(question: str, units: Sequence[_Unit]) -> list[float]:
    asked = set(words(question))
    vectors = embed([unit.text for unit in units]) @ embed_question(question)
    shares = [len(asked.intersection(words(unit.text))) / (len(asked) or 1) for unit in units]
    return [
        float(vector) * (1 - WORDS_WEIGHT) + share * WORDS_WEIGHT
        for vector, share in zip(vectors, shares, strict=True)
    ]


def _with_lead_in(best: list[int], units: Sequence[_Unit], scores: Sequence[float], limit: int) -> set[int]:
    """A list without the sentence that ends in a colon before it cannot be understood."""
    chosen = set(best)
    for index in best:
        if index and units[index].is_block and units[index - 1].text.endswith(("：", ":")):
            chosen.add(index - 1)
    while len(chosen) > limit:
        chosen.remove(min(chosen, key=lambda index: (units[index].text.endswith(("：", ":")), scores[index])))
    return chosen


def _joined(units: Sequence[_Unit]) -> str:
    text = ""
    for before, unit in zip([None, *units], units, strict=False):
        if before is not None:
            text += "\n\n" if before.is_block or unit.is_block else _glue(before.text)
        text += unit.text
    return text


def _glue(sentence: str) -> str:
    return " " if sentence[-1].isascii() else ""
