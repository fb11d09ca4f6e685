"""Follow-ups: questions that lean on what was asked before ("那运费谁出？", "And for bank cards?"), made self-contained."""

from __future__ import annotations

import re

from inference.dialogue import Dialogue

# Leans on what was said before: a ready answer chosen without that would often be the wrong one.
LEANING = re.compile(
    r"^\W*(那么?|这个|这样|它|然后|还有|如果这样)|呢\W*$"
    r"|^\W*(and|or|but|then|so|what about|how about|what if)\b"
    r"|^\W*(要|需要|大概)?(多久|多少钱?|几天|什么时候|为什么|在哪里?|哪里)(之内)?\W*$"
    r"|^\W*((un)?til |since |by )?(when|why|where|how)\W*$|^\W*how many (can|do|may|will)\b"
    r"|\b(it|its|they|them|that|those|these|ones?|instead|still|even)\b",
    re.IGNORECASE,
)
# What does the leaning, and would only blur a search.
BARE = re.compile(
    r"^\W*(那么?|然后|还有|(and|or|but|then|so)\b|(what|how) about\b)[,，\s]*|呢?\W*$", re.IGNORECASE
)
SHORT = 10  # signs up to which a question may lean without a word that says so: a Chinese character is one, a Latin word two
FARTHEST = 3  # questions that one may lean on


def leans(question: str) -> bool:
    """Whether it says by its words that it cannot be understood alone."""
    return LEANING.search(question) is not None


def in_full(question: str, dialogue: Dialogue) -> str:
    """The question after those that it leans on, or may lean on; empty where it surely stands alone."""
    if not dialogue.turns or not (leans(question) or _is_short(question)):
        return ""
    return " ".join([*_topic(dialogue), BARE.sub("", question)])


def _topic(dialogue: Dialogue) -> list[str]:
    """The last question, and those that it leaned on itself, oldest first."""
    asked: list[str] = []
    for question, _answer in reversed(dialogue.turns[-FARTHEST:]):
        asked.insert(0, BARE.sub("", question))
        if not leans(question) and not _is_short(question):
            break
    return asked


def _is_short(question: str) -> bool:
    latin = len(re.findall(r"[A-Za-z0-9]+", question))
    return 2 * latin + len(re.findall(r"[^\W\dA-Za-z_]", question)) <= SHORT
