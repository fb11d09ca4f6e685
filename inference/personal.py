"""Personal data inside a text: ID cards, bank cards, phone numbers, e-mail addresses.

Check digits decide, not shapes alone, so that order numbers stay order numbers. Company hotlines
(400, 800, 95...) are nobody's personal data and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import phonenumbers
from stdnum import luhn
from stdnum.cn import ric

Kind = Literal["id_card", "bank_card", "phone", "email"]


@dataclass(frozen=True, slots=True)
class Personal:
    """`start` and `end` are positions in the text as it was written."""

    kind: Kind
    start: int
    end: int


# One for one, so that positions stay true: full-width forms to ASCII, dashes and hidden characters to
# what the patterns below take as a separator.
_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_ASCII |= dict.fromkeys(map(ord, "‐‑‒–—−﹣－"), ord("-"))
_BLANKS = "\u3000\u00a0\u2002\u2003\u2009\u202f\u00ad\u200b\u200c\u200d\u2060\ufeff"
_ASCII |= dict.fromkeys(map(ord, _BLANKS), ord(" "))

_HINT = re.compile(r"[\d@＠]")
_GAP = r"[ -]{0,2}"
_ALONE = r"(?<![0-9A-Za-z_])(?<![0-9][-.])", r"(?![0-9A-Za-z_])(?![-.][0-9])"


def _number(pattern: str) -> re.Pattern[str]:
    """`pattern` with optional gaps at every blank, not inside a longer number or code."""
    return re.compile(_ALONE[0] + pattern.replace(" ", _GAP) + _ALONE[1], re.ASCII)


_DIGITS = _number(r"\d(?: \d){12,18}")
_ID_CARD = _number(r"[1-9](?: \d){16} [\dXx]")
_MOBILE = _number(r"(?:(?:\+|00)?86 )?1 [3-9] \d(?: \d){8}")
_LANDLINE = _number(r"(?:\(0\d{2,3}\)|0\d{2,3}) [2-8]\d{2,3} \d{4}")
_FOREIGN = re.compile(r"\+ ?\d")
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
# Lengths and first digits of UnionPay, Visa, Mastercard, American Express, JCB, Discover, older Chinese cards
_CARD_SHAPE = re.compile(
    r"62\d{14,17}|4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|35\d{14}|6[045]\d{14,17}|9558\d{15}"
)


def _compact(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _is_id_card(number: str) -> bool:
    return bool(ric.is_valid(number.upper()))


def _is_bank_card(number: str) -> bool:
    return _CARD_SHAPE.fullmatch(number) is not None and luhn.is_valid(number)


def _is_any(_: str) -> bool:
    return True


# In order: what an earlier row has taken, a later one leaves alone.
_FINDERS: tuple[tuple[Kind, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _EMAIL, _is_any),
    ("id_card", _ID_CARD, _is_id_card),
    ("bank_card", _DIGITS, _is_bank_card),
    ("phone", _MOBILE, _is_any),
    ("phone", _LANDLINE, _is_any),
)


def find_personal(text: str) -> tuple[Personal, ...]:
    """What is found, in order of position and without overlaps."""
    if not _HINT.search(text):
        return ()
    plain = text.translate(_ASCII)
    found: list[Personal] = []
    for personal in _candidates(plain):
        if not any(personal.start < other.end and other.start < personal.end for other in found):
            found.append(personal)
    return tuple(sorted(found, key=lambda personal: personal.start))


def _candidates(plain: str) -> Iterator[Personal]:
    if _FOREIGN.search(plain):
        for number in phonenumbers.PhoneNumberMatcher(plain, None):
            yield Personal("phone", number.start, number.end)
    for kind, pattern, is_real in _FINDERS:
        for match in pattern.finditer(plain):
            if is_real(_compact(match[0])):
                yield Personal(kind, match.start(), match.end())


# How many characters stay readable at the front and at the end
_SHOWN: dict[Kind, tuple[int, int]] = {"id_card": (3, 4), "bank_card": (4, 4), "phone": (3, 4)}


def mask_personal(text: str) -> str:
    """`text`, as long as before, with asterisks where digits or letters of personal data stood."""
    pieces, done = [], 0
    for personal in find_personal(text):
        pieces += [text[done : personal.start], _masked(personal.kind, text[personal.start : personal.end])]
        done = personal.end
    return "".join([*pieces, text[done:]])


def _masked(kind: Kind, value: str) -> str:
    if kind == "email":
        at = next(place for place, character in enumerate(value) if character in "@＠")
        return value[:1] + "*" * (at - 1) + value[at:]
    front, back = _SHOWN[kind]
    places = [place for place, character in enumerate(value) if character.isalnum()]
    hidden = set(places[front : len(places) - back])
    return "".join("*" if place in hidden else character for place, character in enumerate(value))
