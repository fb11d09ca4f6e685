"""What a model's words mean while they come, and the sources that an answer is shown with."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from inference.prompt import UNKNOWN
from inference.turn import Source, Turn
from knowledge.markdown import plain
from knowledge.retrieval import Passage
from knowledge.words import words

MOST_SOURCES = 3
ENOUGH = 0.8  # of the tokens that a model may answer with, roughly counted: one a Chinese character, a third a Latin letter
SENTENCE_ENDS = ("。", "！", "？", ". ", "! ", "? ", "\n")
ENDED = re.compile(r"[。！？.!?）)」*|]\s*$")
DRAWN = 0.4  # share of an answer's words that a passage must have to count as its source
QUOTE = 80  # characters of a passage shown with its source


def says_unknown(text: str) -> bool:
    """Whether a model's answer is only its words for not knowing."""
    return any(words in text for words in UNKNOWN.values()) and len(text) < 60


def is_enough(text: str, max_tokens: int) -> bool:
    """Whether an answer has come to a sentence's end close to the model's limit: better stopped here than broken off there."""
    if len(text) <= ENOUGH * max_tokens or not ENDED.search(text[-9:]):
        return False  # as for nearly every token that comes
    return sum(0.35 if letter.isascii() else 1.0 for letter in text) > ENOUGH * max_tokens


def whole_sentences(text: str) -> str:
    """The answer without a last sentence that broke off at the model's limit of tokens."""
    text = text.strip()
    end = max(text.rfind(mark) for mark in SENTENCE_ENDS)
    return text if ENDED.search(text) or end <= 0 else text[: end + 1]


def may_become_unknown(text: str) -> bool:
    """Whether the beginning of a model's answer may still turn into those words; nothing of it is shown so far."""
    beginning = text.strip()
    return any(words.startswith(beginning) or beginning.startswith(words) for words in UNKNOWN.values())


async def cite_sources(turn: Turn) -> None:
    answer = turn.answer
    if answer and answer.mode == "generated" and not answer.sources:
        # What uses none of their words and was not looked up is drawn from the best one all the same.
        used = _drawn_from(answer.text, turn.passages) or turn.passages[: 0 if turn.calls else 1]
        turn.answer = replace(answer, sources=_sources(used))


def _drawn_from(text: str, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
    """The passages whose words the answer uses."""
    said = set(words(text))
    return tuple(one for one in passages if len(said & _words_of(one.text)) >= DRAWN * len(said))


@lru_cache(maxsize=1_024)
def _words_of(passage: str) -> frozenset[str]:
    """Remembered, because to cut a passage takes longer than all else that is done to an answer at its end."""
    return frozenset(words(passage))


def _sources(passages: tuple[Passage, ...]) -> tuple[Source, ...]:
    """One a title, in order of relevance."""
    sources = {(passage.title, passage.url): source_of(passage) for passage in reversed(passages)}
    return tuple(reversed(sources.values()))[:MOST_SOURCES]


def source_of(passage: Passage) -> Source:
    return Source(passage.title, passage.url, plain(passage.text)[:QUOTE])
