"""What can be wrong with how an answer is said, in figures: pure functions of texts, in Chinese and English.

A promise that nothing kept, a refusal that leads nowhere, the bot's own last words again, a passage read out instead of an answer to
this case.

The limits were chosen on the demo companies. Of 47 answers by the two models that `make model` fetches, 12 read a passage out or said an
earlier answer again; no two of the 181 approved answers are more than 0.35 alike, and none of these is taken for a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from knowledge.words import plain

# What only a connector or a person could have done.
PROMISE = re.compile(
    r"(已经?|刚才?|刚刚|正在|这就|马上|立即)(帮|为|给|替)(您|你)|我(会|将|马上|这就|立即|来)[^，。！？]{0,12}"
    r"(处理|催|退款|安排|联系|核实|审核|登记|补发|跟进|查|办)"
    r"|\bI('ve| have) (just )?(refunded|cancelled|canceled|booked|changed|submitted|ordered|arranged)"
    r"|\bI('ll| will) (refund|cancel|arrange|contact|process|book|change)",
    re.IGNORECASE,
)
# ... and what a look-up did.
LOOKS_UP = re.compile(
    r"(已经?|刚才?|刚刚|正在|这就|马上|立即)(帮|为|给|替)(您|你)[^，。！？]{0,4}查|我(会|将|马上|这就|立即|来)[^，。！？处催退安联审登补跟办]{0,6}查"
)
# That it cannot answer; not that the company's rules say no.
REFUSAL = re.compile(
    r"(无法|不能|没法|没办法|不便)(为您|给您|帮您|直接|准确)?(回答|解答|提供|确定|判断|帮助|帮到|处理您的问题)"
    r"|(我|目前|暂时)[^，。！？]{0,6}(不知道|不清楚|不了解|不确定)|^(很?抱歉|对不起|不好意思)?\W*(不知道|不清楚|不了解|不确定)"
    r"|(没有|未|找不到|查不到|没)(找到|查到|提到|提及|说明|包含|提供)?[^，。！？]{0,8}(相关|这方面|具体)的?(信息|内容|资料|说明|规定)"
    r"|\b(can't|cannot|can not|unable to|not able to|could not|couldn't) (\w+ )?(answer|help|assist|provide|say|tell|find|confirm)\b"
    r"|\b(I|we) (do not|don't) (know|have (\w+ )?(information|details))\b|\bI('m| am) not sure\b"
    r"|\b(no|any) (\w+ )?information (about|on|regarding)\b|\bnot (mentioned|specified|covered|stated) in\b",
    re.IGNORECASE,
)
NEXT_STEP = re.compile(
    r"您?可以|请您?(先|再|联系|拨打|致电|提供|告诉|告知|登录|在|到|去|前往|查看|咨询|稍后|确认|把|点击|打开|说明|描述|尝试|提交|选择)"
    r"|建议|转人工|人工客服|联系|致电|拨打|试试|要我|要不要|是否需要|[?？]"
    r"|\byou (can|could|may|might|should)\b|\bplease (?!accept|forgive|excuse|understand|note)\w+"
    r"|\b(contact|call|ask|visit|check|reach|try) (us|our|out|the|a|your|again)\b|\b(shall I|let me)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r".+?(?:[。！？!?\n]+\s*|\.\s+|$)", re.DOTALL)
LISTED = re.compile(r"^[ \t]*(\d+[.)、]|[-*•|])", re.MULTILINE)  # steps and tables are as long as they are
SENTENCES, QUESTIONS = 3, 1
UNIT = re.compile(r"[a-z0-9]+|\w")  # a Latin word or number, or one Chinese character
RUN, LATIN_RUN = 10, 5  # units in a row that nobody says alike by chance
RECITED = 0.9  # share of an answer that stands in the passages word for word ...
RECITED_UNITS, LATIN_RECITED_UNITS = 60, 35  # ... if that is more than a fact or a short rule
REPEATED = 0.8  # share of an answer that stands in an earlier one, and of that one in it
EARLIER = 2  # answers back


class Fault(StrEnum):
    """The worst first: of several, that one is mended."""

    PROMISE = "promise"
    REFUSAL = "refusal"
    REPEATS = "repeats"
    RECITES = "recites"
    WORDY = "wordy"


@dataclass(frozen=True)
class Figures:
    recited: float = 0.0  # share of the answer that stands word for word in what it was made from, 0 to 1
    copied: int = 0  # characters of Chinese or words of English that are
    is_long: bool = False  # whether these are more than a fact
    repeated: float = 0.0  # how much of the answer and of an earlier one is the same, 0 to 1
    promises: bool = False
    refuses: bool = False  # and says nothing that could be done next
    is_wordy: bool = False  # more sentences or questions than anybody wants to read

    @property
    def fault(self) -> Fault | None:
        wrong = {
            Fault.PROMISE: self.promises,
            Fault.REFUSAL: self.refuses,
            Fault.REPEATS: self.repeated >= REPEATED,
            Fault.RECITES: self.recited >= RECITED and self.is_long,
            Fault.WORDY: self.is_wordy,
        }
        return next((fault for fault in Fault if wrong[fault]), None)


def figures_of(
    said: str, sources: Iterable[str], earlier: Sequence[str], *, has_looked_up: bool = False
) -> Figures:
    """`sources`: what the answer was made from and must not only read out. `earlier`: the bot's own last answers.

    `has_looked_up`: a look-up has brought something, so that it is no promise to have looked.
    """
    units = _units(said)
    copied = _copied(units, [_units_of_source(source) for source in sources])
    least = LATIN_RECITED_UNITS if _is_latin(units) else RECITED_UNITS
    return Figures(
        recited=round(copied / len(units), 2) if units else 0.0,
        copied=copied,
        is_long=copied >= least,
        repeated=max((round(_alike(units, _units(one)), 2) for one in earlier), default=0.0),
        promises=PROMISE.search(LOOKS_UP.sub("", said) if has_looked_up else said) is not None,
        refuses=REFUSAL.search(said) is not None and NEXT_STEP.search(said) is None,
        is_wordy=shortened(said) != said,
    )


def without_promises(said: str) -> str:
    return "".join(one for one in SENTENCE.findall(said) if not PROMISE.search(one)).strip()


def shortened(said: str) -> str:
    """Three sentences at most, and nothing after a first question if there is a second."""
    if LISTED.search(said):
        return said
    sentences = SENTENCE.findall(said)
    asks = [at for at, sentence in enumerate(sentences) if sentence.rstrip().endswith(("?", "？"))]
    most = min(SENTENCES, asks[0] + 1) if len(asks) > QUESTIONS else SENTENCES
    return said if len(sentences) <= most else "".join(sentences[:most]).strip()


def _units(text: str) -> list[str]:
    return UNIT.findall(plain(text))


@lru_cache(maxsize=1_024)
def _units_of_source(text: str) -> tuple[str, ...]:
    """The same few passages come again and again."""
    return tuple(_units(text))


def _is_latin(units: Sequence[str]) -> bool:
    return 2 * sum(unit.isascii() for unit in units) > len(units)


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    """The smaller of both shares: a short answer inside a long one is not the same again."""
    shares = [_copied(a, [b]) / len(a) if a else 0.0 for a, b in ((one, other), (other, one))]
    return min(shares)


def _copied(units: Sequence[str], sources: Sequence[Sequence[str]]) -> int:
    """How many units lie in runs that a source has too; of a text shorter than a run, all or none."""
    length = min(LATIN_RUN if _is_latin(units) else RUN, len(units))
    known = {run for source in sources for run in _runs(source, length)}
    within = {
        at + offset for at, run in enumerate(_runs(units, length)) if run in known for offset in range(length)
    }
    return len(within)


def _runs(units: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(units[at : at + length]) for at in range(len(units) - length + 1)] if length else []
