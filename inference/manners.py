"""The last look at an answer: no false promise, no bare repetition, always with its sources."""

from __future__ import annotations

import re
from dataclasses import replace

from django.utils.translation import gettext as _

from inference.prompt import UNKNOWN
from inference.turn import Answer, Source, Turn
from knowledge.markdown import plain
from knowledge.retrieval import Passage
from knowledge.words import words

# What only a connector or a person could have done.
PROMISE = re.compile(
    r"(已经?|刚才?|刚刚|正在|这就|马上|立即)(帮|为|给|替)(您|你)|我(会|将|马上|这就|立即|来)[^，。！？]{0,8}"
    r"(处理|催|退款|安排|联系|核实|登记|补发|跟进|查|办)"
    r"|\bI('ve| have) (just )?(refunded|cancelled|canceled|booked|changed|submitted|ordered|arranged)"
    r"|\bI('ll| will) (refund|cancel|arrange|contact|process|book|change)",
    re.IGNORECASE,
)
MOST_SOURCES = 3
ENOUGH = 0.8  # of the tokens that a model may answer with, roughly counted: one a Chinese character, a third a Latin letter
SENTENCE_ENDS = ("。", "！", "？", ". ", "! ", "? ", "\n")
SENTENCE = re.compile(r".+?(?:[。！？!?\n]\s*|\.\s+|$)", re.DOTALL)
ENDED = re.compile(r"[。！？.!?）)」*|]\s*$")
DRAWN = 0.4  # share of an answer's words that a passage must have to count as its source
QUOTE = 80  # characters of a passage shown with its source


def says_unknown(text: str) -> bool:
    """Whether a model's answer is only its words for not knowing."""
    return any(words in text for words in UNKNOWN.values()) and len(text) < 60


def is_enough(text: str, max_tokens: int) -> bool:
    """Whether an answer has come to a sentence's end close to the model's limit: better stopped here than broken off there."""
    tokens = sum(0.35 if letter.isascii() else 1.0 for letter in text)
    return ENDED.search(text) is not None and tokens > ENOUGH * max_tokens


def whole_sentences(text: str) -> str:
    """The answer without a last sentence that broke off at the model's limit of tokens."""
    text = text.strip()
    end = max(text.rfind(mark) for mark in SENTENCE_ENDS)
    return text if ENDED.search(text) or end <= 0 else text[: end + 1]


def may_become_unknown(text: str) -> bool:
    """Whether the beginning of a model's answer may still turn into those words; nothing of it is shown so far."""
    beginning = text.strip()
    return any(words.startswith(beginning) or beginning.startswith(words) for words in UNKNOWN.values())


async def check_answer(turn: Turn) -> None:
    """Only what a model worded is judged; what the company approved stands as it is."""
    answer = turn.answer
    if answer is None or answer.mode != "generated":
        return
    if PROMISE.search(answer.text):
        turn.note(fault="promise")
        turn.answer = _without_promise(answer)
    elif turn.dialogue.last_answer and answer.text.strip() == turn.dialogue.last_answer.strip():
        turn.note(fault="repeats itself")
        offer = _("If this does not answer it, I can call a colleague for you.")
        turn.answer = replace(answer, text=f"{answer.text}\n\n{offer}", open={"offer": "person"})


def _without_promise(answer: Answer) -> Answer:
    """The sentences that promise what was not done are taken out; a person is offered to do it."""
    kept = "".join(sentence for sentence in SENTENCE.findall(answer.text) if not PROMISE.search(sentence))
    offer = _("I cannot do this myself; shall I call a colleague who can?")
    return replace(answer, text=f"{kept.strip()}\n\n{offer}".strip(), open={"offer": "person"})


async def cite_sources(turn: Turn) -> None:
    answer = turn.answer
    if answer and answer.mode == "generated" and not answer.sources:
        turn.answer = replace(answer, sources=_sources(_drawn_from(answer.text, turn.passages)))


def _drawn_from(text: str, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
    """The passages whose words the answer uses; the best one where that cannot be told."""
    said = set(words(text))
    used = [passage for passage in passages if len(said & set(words(passage.text))) >= DRAWN * len(said)]
    return tuple(used) or passages[:1]


def _sources(passages: tuple[Passage, ...]) -> tuple[Source, ...]:
    """One a title, in order of relevance."""
    sources = {(passage.title, passage.url): source_of(passage) for passage in reversed(passages)}
    return tuple(reversed(sources.values()))[:MOST_SOURCES]


def source_of(passage: Passage) -> Source:
    return Source(passage.title, passage.url, plain(passage.text)[:QUOTE])
