"""The quick lane's index of approved entries: in memory, exact first, and silent where it is not sure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.words import plain, words

Mode = Literal["verbatim", "situational"]


class EntryLike(Protocol):
    """What the index needs of an entry; `knowledge.models.Entry` has it."""

    id: int
    question: str
    answer: str
    mode: str
    source_title: str
    source_url: str

    def wordings(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class EntryMatch:
    entry_id: int
    question: str
    answer: str
    mode: Mode
    source_title: str
    source_url: str
    score: float  # 1.0 for the very words of the entry, else a similarity from THRESHOLD up


@dataclass(frozen=True, slots=True)
class _Said:
    """What a similarity of letters is blind to."""

    words: frozenset[str]
    particulars: frozenset[str]
    is_negative: bool


@dataclass(frozen=True, slots=True)
class _Wording:
    entry: int  # its place in EntryIndex.entries
    says: _Said


# A wrong entry is worse than none: the worker lane still answers what is turned away here.
THRESHOLD = 0.55
LEAST = 0.3  # below it no wording is looked at more closely
WORDS_ASKED = 0.7  # the share of a wording's words, by rarity, that the question must contain
MARGIN = 0.06  # over the best other entry
MAX_CHARACTERS = 80  # longer questions tell a story, and no ready answer fits it
RECENT = 5000  # questions whose bare form is remembered

# Said around a question without changing it.
FILLER = re.compile(
    r"[您你]好|在吗|麻烦|请问?|我?想?(?:问|知道|了解|咨询)(?:一下|下)|我?想(?:问|知道|了解|咨询)|咨询|介绍|说说|告诉我|帮我"
    r"|你们家?|你家|谢谢|一下|的话|[吗呢吧啊呀哦嘛啦了的那]|\b(?:hi|hello|please|thanks)\b"
)
NOT_WORD = re.compile(r"[\W_]+")
# `能不能` asks, `不能` denies; some words hold a 不 or 无 without denying anything.
ASKING = re.compile(
    r"(\w)[不没]\1|是否|有没有|[不没]$|不好意思|不好|无理由|无线|无忧|不锈钢|对不起|不小心|不同|特别|没关系"
)
NEGATION = re.compile(
    r"不|没|无|未|别|勿|拒绝|取消|\b(?:no|not|never|without|can't|cannot|don't|doesn't|won't|cancel)\b"
)
# Numbers, models, order ids: where the question has one of its own, the entry is about something else.
PARTICULAR = re.compile(r"[a-z]*\d[a-z\d.]*")


@dataclass(frozen=True, slots=True)
class EntryIndex:
    entries: tuple[EntryLike, ...]
    exact: Mapping[str, int]
    wordings: tuple[_Wording, ...]
    vocabularies: tuple[frozenset[str], ...]  # of each entry, all its wordings together
    rarity: Mapping[str, float]
    unknown: float  # the rarity of what no entry contains
    postings: Mapping[str, tuple[NDArray[np.intp], NDArray[np.float32]]]

    def match(self, question: str) -> EntryMatch | None:
        """The entry that the question asks for, in the same or in other words; None where that is not sure."""
        asked = recently_bare(question) if len(question) <= MAX_CHARACTERS else ""
        if not asked:
            return None
        if asked in self.exact:
            return self._as_match(self.exact[asked], 1.0)
        return self._nearest(question)

    def _nearest(self, question: str) -> EntryMatch | None:
        best = self.scores(question)
        if not len(best):
            return None
        winner = int(best.argmax())
        score = float(best[winner])
        best[winner] = 0.0
        if score < THRESHOLD or score - float(best.max()) < MARGIN:
            return None
        return self._as_match(winner, score)

    def scores(self, question: str) -> NDArray[np.float32]:
        """For each entry the similarity of its nearest wording that does not contradict the question."""
        by_wording = np.zeros(len(self.wordings), dtype=np.float32)
        weights = _unit(
            {name: n * self.rarity.get(name, self.unknown) for name, n in _features(question).items()}
        )
        for name, weight in weights.items():
            if name in self.postings:
                at, theirs = self.postings[name]
                by_wording[at] += weight * theirs
        by_entry = np.zeros(len(self.entries), dtype=np.float32)
        asked = _said(question)
        for index in np.flatnonzero(by_wording > LEAST):
            wording = self.wordings[index]
            if self._agrees(asked, wording):
                by_entry[wording.entry] = max(by_entry[wording.entry], by_wording[index])
        return by_entry

    def _agrees(self, asked: _Said, wording: _Wording) -> bool:
        """No word of the question is foreign to the entry, and few of the wording are missing from the question."""
        says = wording.says
        if asked.is_negative != says.is_negative or not asked.particulars <= says.particulars:
            return False
        if not asked.words or not asked.words <= self.vocabularies[wording.entry]:
            return False
        return self._weight(asked.words & says.words) >= WORDS_ASKED * self._weight(says.words)

    def _weight(self, some: Iterable[str]) -> float:
        return sum(self.rarity.get(f"={word}", self.unknown) for word in some)

    def _as_match(self, index: int, score: float) -> EntryMatch:
        entry = self.entries[index]
        mode: Mode = "situational" if entry.mode == "situational" else "verbatim"
        return EntryMatch(
            entry.id,
            entry.question,
            entry.answer,
            mode,
            entry.source_title,
            entry.source_url,
            min(score, 1.0),
        )


def build(entries: Iterable[EntryLike]) -> EntryIndex:
    known = tuple(entries)
    texts = [(index, wording) for index, entry in enumerate(known) for wording in entry.wordings()]
    features = [_features(wording) for _, wording in texts]
    rarity, unknown = _rarity(known)
    postings: dict[str, list[tuple[int, float]]] = {}
    for number, counts in enumerate(features):
        for name, weight in _unit({name: n * rarity[name] for name, n in counts.items()}).items():
            postings.setdefault(name, []).append((number, weight))
    return EntryIndex(
        entries=known,
        exact=_exact(texts),
        wordings=tuple(_Wording(index, _said(text)) for index, text in texts),
        vocabularies=tuple(frozenset(words("\n".join(entry.wordings()))) for entry in known),
        rarity=rarity,
        unknown=unknown,
        postings={name: _as_arrays(found) for name, found in postings.items()},
    )


def _exact(texts: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Wordings that two entries share decide nothing, so they are left out."""
    owners: dict[str, set[int]] = {}
    for index, text in texts:
        owners.setdefault(bare(text), set()).add(index)
    return {asked: next(iter(found)) for asked, found in owners.items() if asked and len(found) == 1}


def _said(text: str) -> _Said:
    folded = plain(text)
    return _Said(frozenset(words(FILLER.sub(" ", folded))), _particulars(folded), _is_negative(folded))


def _rarity(entries: Iterable[EntryLike]) -> tuple[dict[str, float], float]:
    """Inverse frequencies over entries, not wordings: ten wordings of one entry make no word commoner."""
    holders: Counter[str] = Counter()
    total = 0
    for entry in entries:
        total += 1
        holders.update({name for wording in entry.wordings() for name in _features(wording)})
    rarity = {name: math.log(1 + (total + 0.5) / count) for name, count in holders.items()}
    return rarity, math.log(1 + (total + 0.5))


def _features(text: str) -> Counter[str]:
    """Character pairs forgive another order or ending; whole words count besides, as they carry the meaning."""
    asked = bare(text)
    pairs = Counter(asked[start : start + 2] for start in range(len(asked) - 1))
    pairs.update({f"={word}": 1 for word in set(words(text))})
    return pairs


def bare(text: str) -> str:
    """Only what is asked: no punctuation, no greeting, no particle; empty where nothing is asked."""
    folded = plain(text)
    stripped = NOT_WORD.sub("", FILLER.sub(" ", folded))
    return stripped or NOT_WORD.sub("", folded)


recently_bare = lru_cache(RECENT)(bare)


def _particulars(folded: str) -> frozenset[str]:
    return frozenset(PARTICULAR.findall(folded))


def _is_negative(folded: str) -> bool:
    return bool(NEGATION.search(ASKING.sub(" ", NOT_WORD.sub(" ", folded).strip())))


def _unit(weights: Mapping[str, float]) -> dict[str, float]:
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {name: weight / length for name, weight in weights.items()}


def _as_arrays(found: list[tuple[int, float]]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    at, weights = zip(*found, strict=True)
    return np.array(at, dtype=np.intp), np.array(weights, dtype=np.float32)
