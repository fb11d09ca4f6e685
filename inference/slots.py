"""What a look-up has to know, found in what the visitor wrote: now, or at any time before."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from functools import cache
from itertools import islice
from typing import Any

import phonenumbers
import regex
from django.utils.translation import gettext_lazy as _

from inference.days import day_in
from inference.dialogue import Dialogue

logger = logging.getLogger(__name__)

Slot = dict[str, Any]  # see inference.models.Connector.slots
RECENT = 6  # questions back in which a day is still looked for: it is soon forgotten, or another one
MOST_VALUES = 6  # of one slot, for a model to choose from
SECONDS = 0.05  # for one search: a pattern of an administrator's may be one that never ends
ORDER_NUMBER = r"(?<![A-Za-z0-9])[A-Za-z]{0,4}-?\d{5,20}(?![A-Za-z0-9])"
# Whoever asks about another one does not mean the one they named before.
ANOTHER = re.compile(
    r"另一|另外|别的|其他|其它|换一|再查一?(个|下|笔|单)|\b(another|different|other)\b", re.I
)


def found(slots: dict[str, Slot], dialogue: Dialogue, question: str, today: date) -> dict[str, str]:
    """{name: value} of those that are known. The question counts before what was said earlier, and the later before the earlier."""
    if ANOTHER.search(question):
        return in_text(slots, question, today)
    asked = [one for one, _answer in reversed(dialogue.turns)]
    known = _first(slots, [question, *asked[:RECENT]], today)
    lasting = {n: slot for n, slot in slots.items() if n not in known and slot.get("kind") != "date"}
    # As one text: a pattern that takes too long does so once.
    long_ago = "\n".join([*asked[RECENT:], *reversed(dialogue.earlier)])
    return known | in_text(lasting, long_ago, today)


def all_found(
    slots: dict[str, Slot], dialogue: Dialogue, question: str, today: date, more: Iterable[str] = ()
) -> dict[str, list[str]]:
    """{name: values}, that which `found` finds first; then the others of the last questions and of the texts `more`."""
    first = found(slots, dialogue, question, today)
    text = "\n".join([question, *(one for one, _answer in dialogue.turns[: -RECENT - 1 : -1]), *more])
    return {
        name: [
            *islice(
                dict.fromkeys([*filter(None, [first.get(name)]), *_values(slot, text, today)]), MOST_VALUES
            )
        ]
        for name, slot in slots.items()
    }


def in_text(slots: dict[str, Slot], text: str, today: date) -> dict[str, str]:
    return _first(slots, [text], today)


def left_out(slots: dict[str, Slot], text: str) -> str:
    """The text without the numbers that `in_text` finds by their patterns."""
    for slot in slots.values():
        if KINDS.get(slot.get("kind", ""), _patterns) is _patterns:
            with suppress(TimeoutError):
                text = _pattern_of(slot).sub(" ", text, timeout=SECONDS)
    return text.strip()


def _first(slots: dict[str, Slot], texts: Iterable[str], today: date) -> dict[str, str]:
    known: dict[str, str] = {}
    for text in texts:
        for name, slot in slots.items():
            if name not in known and (value := next(_values(slot, text, today), "")):
                known[name] = value
    return known


def _values(slot: Slot, text: str, today: date) -> Iterator[str]:
    return KINDS.get(slot.get("kind", ""), _patterns)(slot, text, today)


def _patterns(slot: Slot, text: str, today: date) -> Iterator[str]:
    try:
        for match in _pattern_of(slot).finditer(text, timeout=SECONDS):
            if match[0]:
                yield match[0].upper() if slot.get("upper") else match[0]
    except TimeoutError:
        logger.warning("A slot's pattern takes too long: %s", slot.get("pattern"))


def _pattern_of(slot: Slot) -> Any:
    return compiled(slot.get("pattern") or ORDER_NUMBER)


def _phones(slot: Slot, text: str, today: date) -> Iterator[str]:
    """As they are dialled inside China; with +, where they are of elsewhere."""
    for match in phonenumbers.PhoneNumberMatcher(text, "CN"):
        if match.number.country_code == 86:
            yield str(phonenumbers.national_significant_number(match.number))
        else:
            yield str(phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164))


def _dates(slot: Slot, text: str, today: date) -> Iterator[str]:
    """The first one."""
    if day := day_in(text, today):
        yield day.isoformat()


@cache
def compiled(pattern: str) -> Any:
    """Raises regex.error."""
    return regex.compile(pattern)


KINDS: dict[str, Callable[[Slot, str, date], Iterator[str]]] = {
    "order_number": _patterns,
    "phone": _phones,
    "date": _dates,
    "pattern": _patterns,
}
TITLES = {
    "order_number": _("order number"),
    "phone": _("phone number"),
    "date": _("day"),
    "pattern": _("pattern of your own"),
}
