"""One spelling for many: width, case, script and hidden characters folded, with a way back.

Folding is done per code point (Unicode compatibility form, case, accents on Latin letters, look-alikes,
traditional to simplified), so that every folded character knows the one it came from. Two forms are made:
`text` keeps separators (spaces, punctuation, symbols); `dense` has letters and digits only, so that
"法·轮 功" and "法轮功" are the same.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import opencc

# Letters of other alphabets that look like Latin ones. Both words and texts are folded, so that
# honest Cyrillic and Greek still match themselves.
_LOOK_ALIKES = dict(zip("аеорсухіјѕһԁԛԝвкмнтαορνικτυχ", "aeopcyxijshdqwbkmhtaopviktux", strict=True))
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Mn", "Me"})
_UNSETTLED = frozenset({"Cn", "Co", "Cs"})
_SPACES = frozenset("\t\v\f\r\x1c\x1d\x1e\x1f\x85")  # control characters that do separate words
_FIRST_UNSPACED = "\u0e00"  # from Thai on, scripts put no spaces between words or glue endings on

_to_simplified = opencc.OpenCC("t2s").convert


def _fold(character: str) -> str:
    """What `character` stands for: none, one, or a few folded characters."""
    if character == "\n":
        return character
    if character in _SPACES:
        return " "
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    if unicodedata.normalize("NFD", folded)[:1].isascii():
        folded = unicodedata.normalize("NFD", folded)  # "é" is an "e" with a mark, which goes below
    visible = (c for c in folded if unicodedata.category(c) not in _INVISIBLE)
    simplified = _to_simplified("".join(_LOOK_ALIKES.get(c, c) for c in visible))
    return " " if simplified.isspace() else simplified


class _Folds(dict[int, str]):
    """Code point to folded text, filled as characters are met; unassigned code points are not remembered."""

    def __init__(self, keep_separators: bool) -> None:
        super().__init__()
        self._keep_separators = keep_separators

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = _fold(character)
        if not self._keep_separators:
            folded = "".join(c for c in folded if c.isalnum())
        if unicodedata.category(character) not in _UNSETTLED:
            self[code] = folded
        return folded


_TEXT = _Folds(keep_separators=True)
_DENSE = _Folds(keep_separators=False)


def fold(text: str) -> str:
    """The folded text with its separators."""
    return text.translate(_TEXT)


def dense(text: str) -> str:
    """The folded text without its separators."""
    return text.translate(_DENSE)


def offsets_of_dense(text: str) -> list[int]:
    """For each character of `dense(text)` the position in `text` that it came from."""
    folds = map(_DENSE.__getitem__, map(ord, text))
    return [position for position, folded in enumerate(folds) for _ in folded]


def is_spaced(character: str) -> bool:
    """Whether a folded character is of a script that puts spaces between words (Latin, digits, Greek)."""
    return character < _FIRST_UNSPACED and character.isalnum()


@dataclass(frozen=True)
class Normalised:
    """A folded text; both offset maps give positions in `original` and are made only when asked for."""

    original: str
    text: str

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """For each character of `text` the position in `original` that it came from."""
        return tuple(position for position, c in enumerate(self.original) for _ in _TEXT[ord(c)])

    @cached_property
    def dense(self) -> str:
        return dense(self.original)

    @cached_property
    def dense_offsets(self) -> tuple[int, ...]:
        return tuple(offsets_of_dense(self.original))


def normalise(text: str) -> Normalised:
    return Normalised(text, fold(text))
