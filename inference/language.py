"""In which of the two languages somebody writes: "zh-hans", "en", or "" where a text does not tell.

A name, a product, a number or "OK" is at home in both, and so says nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.dialogue import Dialogue

READ = 500  # characters of a text that are looked at: some are floods
NAME = 3  # Chinese characters of which a name may consist
BRAND = 4  # Latin words of which the name of a product may

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_NEITHER = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")  # Japanese, Korean
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])")  # not the letters of an order number
_ADDRESS = re.compile(r"(?<![!-~])[!-~]*?(?:://|www\.|@)[!-~]*")
# What is said in sentences, and hardly in names.
_SAID = re.compile(r"谢谢|人工|[你您我吗呢么吧不没的了是有要请问怎哪几多退换货转单查运费价钱]")
_SPOKEN = re.compile(
    r"\b(i(?='| [a-z])|my|me|(?<!thank )(?<!see )you|your|we|it|this|that|is|are|was|do|does|did|don't|can|could|will|would|should"
    r"|has|have|had|what|when|where|which|who|why|how|not|any|want|need|help|please|about)\b",
    re.IGNORECASE,
)


def language_of(text: str) -> str:
    """A brand in a Chinese sentence leaves it Chinese; where Latin words are more than that, it is neither."""
    text = _ADDRESS.sub(" ", text[:READ])
    han, words = len(_HAN.findall(text)), len(_WORD.findall(text))
    if _NEITHER.search(text):
        return ""
    if han:
        is_said = han > NAME or _SAID.search(text)
        return "zh-hans" if han > max(1, 3 * words) and is_said else ""
    is_spoken = words > BRAND or (words > 1 and _SPOKEN.search(text))
    return "en" if is_spoken else ""


def spoken(question: str, dialogue: Dialogue, otherwise: str) -> str:
    """The language of the question; where it does not tell, of the last one that did."""
    asked = (earlier for earlier, _answer in reversed(dialogue.turns))
    return language_of(question) or next(filter(None, map(language_of, asked)), otherwise)
