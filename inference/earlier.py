"""What stays of turns that fall out of a dialogue, or for which a prompt has no room: the visitor's own words, in short.

A number of somebody's own (of an order, a phone) outlives what names something else (a day, who somebody is), and that what merely asks.
No model is needed, and the same turns always leave the same.
"""

from __future__ import annotations

import re
from functools import lru_cache

ROOM = 400  # characters of all that is kept
LONGEST = 80  # of one statement
READ = 1000  # characters of a question that are looked at: some are floods
TOPIC = 30  # of a question that names nothing
BETWEEN = "; "
LEAST = 4  # shorter ones ("好的", "ok") say nothing later

_OWN_NUMBER = re.compile(r"\d{4}")
_NAMES = re.compile(
    r"\d|[一二三四五六七八九十]+[月号日天]|[昨前今明后]天|[上下这]周|星期|礼拜|我(叫|姓|是|住|在|买|订|用)|地址|型号"
    r"|\b(yesterday|today|tomorrow|(mon|tues|wednes|thurs|fri|satur|sun)day|my name|i am|i'm|i live|i bought|i ordered)\b",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(r"[。！？!?；;\n]+|\.(?=\s|$)")
_PAUSES = re.compile(r"[，,、]+")


def with_question(earlier: tuple[str, ...], question: str) -> tuple[str, ...]:
    """`earlier` (oldest first) and what `question` adds to it."""
    new = dict.fromkeys(_statements(question))
    return within(ROOM, (*(said for said in earlier if said not in new), *new))


def within(room: int, statements: tuple[str, ...]) -> tuple[str, ...]:
    """As many as fit into `room` characters: those that weigh least go first, the oldest of them before the others."""
    size, gone = len(BETWEEN.join(statements)), set[int]()
    for place in sorted(range(len(statements)), key=lambda place: _weight(statements[place])):
        if size <= room:
            break
        size -= len(BETWEEN) + len(statements[place])
        gone.add(place)
    return tuple(said for place, said in enumerate(statements) if place not in gone)


@lru_cache(4096)
def _weight(said: str) -> int:
    return 2 if _OWN_NUMBER.search(said) else 1 if _NAMES.search(said) else 0


def _statements(question: str) -> list[str]:
    """Those that name something; of a question where none does, what it is about."""
    sentences = [sentence.strip() for sentence in _SENTENCE_ENDS.split(question[:READ])]
    naming = [_clipped(part) for sentence in sentences for part in _parts(sentence) if _NAMES.search(part)]
    topic = next((sentence[:TOPIC] for sentence in sentences if len(sentence) >= LEAST), "")
    return naming or ([topic] if topic else [])


def _parts(sentence: str) -> list[str]:
    return [sentence] if len(sentence) <= LONGEST else [part.strip() for part in _PAUSES.split(sentence)]


def _clipped(part: str) -> str:
    """Around its number, if it is too long."""
    number = _OWN_NUMBER.search(part)
    start = max(0, number.start() - LONGEST // 2) if number and len(part) > LONGEST else 0
    return part[start : start + LONGEST]
