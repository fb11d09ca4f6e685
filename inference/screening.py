"""Words that a tenant forbids, found however they are spelled, in whole messages and in streams.

Matching runs over the dense form (`normalise.dense`), and what is found is then checked against the
original spelling: "class" does not hold "ass", nor "A20231" "2023", nor "买枪，支持" "枪支".
Errors are never swallowed here: a screen that fails lets nothing through.

Known gap: homophones (pinyin spellings and same-sounding characters) are found only when they are listed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

import ahocorasick_rs
import rjieba

from inference.normalise import dense, fold, is_spaced, offsets_of_dense


class Action(StrEnum):
    MASK = "mask"
    BLOCK = "block"
    REVIEW = "review"
    HAND_OVER = "hand_over"
    ALLOW = "allow"


# A person is the strongest answer; REVIEW lets the text through and has it looked at later.
_STRENGTH = {Action.ALLOW: 0, Action.REVIEW: 1, Action.MASK: 2, Action.BLOCK: 3, Action.HAND_OVER: 4}
_STOPS = frozenset({Action.BLOCK, Action.HAND_OVER})
_CLAUSE_MARKS = frozenset(",!?;:、。\n")  # as they look when folded
_LONGEST_GAP = 16  # separators between two characters of a word; also bounds what a stream holds back
_WINDOW = 4  # letters on either side that decide whether a single character is a word of its own
RECENT = 500  # texts of which it is remembered what was found: approved answers, and what many ask
_CONTEXT = 32  # characters already released that a stream keeps to judge word boundaries


@dataclass(frozen=True, slots=True)
class Word:
    word: str
    category: str
    action: Action


@dataclass(frozen=True, slots=True)
class Hit:
    """`start` and `end` are positions in the text as it was written; hits of one scan do not overlap."""

    start: int
    end: int
    word: str
    category: str
    action: Action


class Lexicon:
    """Words ready to be searched; made by `build`."""

    def __init__(self, words: dict[str, Word], ignored: tuple[str, ...]) -> None:
        """`words` is keyed by dense form; `ignored` are those without a letter or digit to search for."""
        self._spellings = sorted(words)
        self._words = [words[spelling] for spelling in self._spellings]
        self._singles = frozenset(s for s in self._spellings if len(s) == 1 and not is_spaced(s))
        self._longest = max(map(len, self._spellings), default=0)
        self._automaton = ahocorasick_rs.AhoCorasick(
            self._spellings, store_patterns=False, implementation=ahocorasick_rs.Implementation.ContiguousNFA
        )
        self.ignored = ignored
        self._recent = lru_cache(RECENT)(self._scan)

    def __len__(self) -> int:
        return len(self._spellings)

    def scan(self, text: str) -> tuple[Hit, ...]:
        """What is found in `text`, in order; what overlaps becomes one hit of the strongest action."""
        return self._recent(text)

    def _scan(self, text: str) -> tuple[Hit, ...]:
        return _settle(self.matches(text))

    def matches(self, text: str) -> list[Hit]:
        """Every single match, overlapping and allowed ones included."""
        found = self._automaton.find_matches_as_indexes(dense(text), overlapping=True)
        if not found:
            return []
        offsets = offsets_of_dense(text)
        hits = []
        for index, first, end in found:
            word, places = self._words[index], offsets[first:end]
            if _is_word_here(text, places, self._spellings[index], word.word):
                hits.append(Hit(places[0], places[-1] + 1, word.word, word.category, word.action))
        return hits

    def open_from(self, text: str) -> int:
        """The earliest position from which `text` may go on into a word; `len(text)` when there is none."""
        tail = text[-(self._longest + 1) * (_LONGEST_GAP + 1) :] if self._longest else ""
        letters, offsets = dense(tail), offsets_of_dense(tail)
        base, count = len(text) - len(tail), len(letters)
        for first in range(max(0, count - self._longest), count):
            if self._is_open(tail, letters[first:], offsets[first:]):
                return base + offsets[first]
        return len(text)

    def _is_open(self, tail: str, letters: str, places: list[int]) -> bool:
        if letters[0] in self._singles and len(tail) - places[0] <= _WINDOW:
            return True
        place = bisect_left(self._spellings, letters)
        if place == len(self._spellings) or not self._spellings[place].startswith(letters):
            return False
        return _longest_gap(tail, [*places, len(tail)]) <= _LONGEST_GAP


def build(words: Iterable[Word]) -> Lexicon:
    """A lexicon of `words`; of two with one spelling the stronger action wins, and ALLOW wins over all."""
    kept: dict[str, Word] = {}
    ignored: list[str] = []
    for word in words:
        spelling = dense(word.word)
        if not spelling:
            ignored.append(word.word)
        elif spelling not in kept or _outranks(word, kept[spelling]):
            kept[spelling] = word
    return Lexicon(kept, tuple(ignored))


def mask(text: str, hits: Sequence[Hit]) -> str:
    """`text` with an asterisk for every character of each hit, separators too; REVIEW stays readable."""
    pieces, done = [], 0
    for hit in sorted(hits, key=lambda hit: hit.start):
        if hit.action not in (Action.REVIEW, Action.ALLOW):
            pieces += [text[done : hit.start], "*" * (hit.end - max(hit.start, done))]
            done = max(done, hit.end)
    return "".join([*pieces, text[done:]])


def verdict(hits: Sequence[Hit]) -> Action | None:
    """The strongest action among `hits`."""
    return max((hit.action for hit in hits), key=_STRENGTH.__getitem__, default=None)


class StreamScreen:
    """Screens text that arrives in pieces; what is held back may still turn out to be part of a word."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._context = ""
        self._held = ""
        self._released = 0
        self._hits: list[Hit] = []
        self.blocked = False

    @property
    def hits(self) -> tuple[Hit, ...]:
        """Hits so far, at positions in the whole stream."""
        return tuple(self._hits)

    def feed(self, piece: str) -> str:
        """Takes the next piece and gives what may be shown by now."""
        self._held += piece
        return self._release(final=False)

    def finish(self) -> str:
        """What was still held back; to be called once, after the last piece."""
        return self._release(final=True)

    def _release(self, *, final: bool) -> str:
        if self.blocked or not self._held:
            return ""
        if not len(self._lexicon):
            return self._move(len(self._held))
        text, before = self._context + self._held, len(self._context)
        matches = [hit for hit in self._lexicon.matches(text) if hit.start >= before]
        cut = len(text) if final else max(before, _cut(self._lexicon.open_from(text), matches))
        hits = [_shift(hit, -before) for hit in _settle(hit for hit in matches if hit.end <= cut)]
        self._hits += [_shift(hit, self._released) for hit in hits]
        self.blocked = any(hit.action in _STOPS for hit in hits)
        if self.blocked:
            self._held = ""
            return ""
        return mask(self._move(cut - before), hits)

    def _move(self, count: int) -> str:
        """Takes the first `count` held characters out and remembers the last of them as context."""
        text, self._held = self._held[:count], self._held[count:]
        self._released += count
        self._context = (self._context + text)[-_CONTEXT:]
        return text


def _cut(position: int, matches: Iterable[Hit]) -> int:
    """The last position up to `position` that lies inside no match."""
    for hit in sorted(matches, key=lambda hit: -hit.end):
        if hit.start < position < hit.end:
            position = hit.start
    return position


def _shift(hit: Hit, by: int) -> Hit:
    return replace(hit, start=hit.start + by, end=hit.end + by)


def _outranks(word: Word, other: Word) -> bool:
    return word.action is Action.ALLOW or (
        other.action is not Action.ALLOW and _STRENGTH[word.action] > _STRENGTH[other.action]
    )


def _settle(matches: Iterable[Hit]) -> tuple[Hit, ...]:
    """Drops what lies inside an allowed phrase and joins what overlaps."""
    matches = list(matches)
    allowed = [(hit.start, hit.end) for hit in matches if hit.action is Action.ALLOW]
    forbidden = [
        hit
        for hit in matches
        if hit.action is not Action.ALLOW and not any(a <= hit.start and hit.end <= b for a, b in allowed)
    ]
    return tuple(_joined(sorted(forbidden, key=lambda hit: hit.start)))


def _joined(hits: Iterable[Hit]) -> Iterator[Hit]:
    current: Hit | None = None
    for hit in hits:
        if current is None or hit.start >= current.end:
            if current is not None:
                yield current
            current = hit
        else:
            chief = max(current, hit, key=lambda one: (_STRENGTH[one.action], len(one.word)))
            current = replace(chief, start=current.start, end=max(current.end, hit.end))
    if current is not None:
        yield current


def _is_word_here(text: str, places: Sequence[int], spelling: str, word: str) -> bool:
    """Whether letters found at `places` of `text` are `word` as somebody would write or disguise it."""
    if is_spaced(spelling[0]) and _is_joined(spelling, _letter_before(text, places[0])):
        return False
    if is_spaced(spelling[-1]) and _is_joined(spelling, _letter_after(text, places[-1])):
        return False
    if len(spelling) == 1 and not is_spaced(spelling):
        return _is_own_word(text, places[0])
    return places[-1] - places[0] == len(places) - 1 or _is_disguise(text, places, spelling, word)


def _is_joined(spelling: str, neighbour: str) -> bool:
    """Whether a Latin word or number runs on into `neighbour`; "word123" still holds "word"."""
    if not is_spaced(neighbour or " "):
        return False
    return neighbour.isalpha() or not spelling.isalpha() or len(spelling) <= 3


def _letter_before(text: str, position: int) -> str:
    """The folded character just before, over hidden ones; empty at the start."""
    while position > 0:
        position -= 1
        if folded := fold(text[position]):
            return folded[-1]
    return ""


def _letter_after(text: str, position: int) -> str:
    while position < len(text) - 1:
        position += 1
        if folded := fold(text[position]):
            return folded[0]
    return ""


def _is_own_word(text: str, position: int) -> bool:
    """Whether the character at `position` is a word by itself ("操" is not one in "操作")."""
    left = fold(text[max(0, position - _WINDOW) : position])
    cut = rjieba.cut(left + fold(text[position : position + 1 + _WINDOW]), False)
    reached = 0
    for token in cut:
        if reached <= len(left) < reached + len(token):
            return len(token) == 1
        reached += len(token)
    return True


def _gaps(text: str, places: Sequence[int]) -> Iterator[str]:
    """The visible separators between neighbouring letters at `places`."""
    for here, there in pairwise(places):
        yield fold(text[here + 1 : there]) if there > here + 1 else ""


def _longest_gap(text: str, places: Sequence[int]) -> int:
    return max(map(len, _gaps(text, places)), default=0)


def _is_disguise(text: str, places: Sequence[int], spelling: str, word: str) -> bool:
    """Whether the separators between the letters are the word's own or put there to hide it."""
    gaps = list(_gaps(text, places))
    if max(map(len, gaps)) > _LONGEST_GAP:
        return False
    own = [bool(gap) for gap in _gaps(word, offsets_of_dense(word))]
    added = [n for n, gap in enumerate(gaps) if gap and not own[n]]
    if not added or (all(gaps) and len(spelling) > 2 and not spelling.isdigit()):
        return True
    if spelling.isdigit() or (len(spelling) <= 3 and is_spaced(spelling[0])):
        return False
    return not any(_parts_words(spelling[n : n + 2], gaps[n]) for n in added)


def _parts_words(pair: str, gap: str) -> bool:
    """Whether `gap` is what an honest writer puts between two words."""
    if all(map(is_spaced, pair)):
        return " " in gap or "\n" in gap
    return not _CLAUSE_MARKS.isdisjoint(gap)


EMPTY = build(())
