"""What one question carries through the pipeline, and what comes out.

`inference` never sees a conversation row: whoever asks hands in a `Turn` and gets back an `Answer`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from inference.language import spoken
from tenants.models import Tenant

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

    from inference.dialogue import Dialogue
    from inference.intent import Detected
    from inference.mind import Mind
    from inference.models import Provider
    from inference.screening import Hit
    from knowledge.entries import EntryMatch
    from knowledge.retrieval import Passage


class Lane(StrEnum):
    QUICK = "quick"  # in the socket's own process, microseconds, no input or output
    WORKER = "worker"  # a Celery task: look-ups, retrieval, the model


class Rung(StrEnum):
    """How much help can be afforded right now, best first."""

    FULL = "full"
    LIGHT = "light"
    EXTRACT = "extract"
    HUMAN = "human"


@dataclass(frozen=True)
class Source:
    title: str
    url: str = ""
    quote: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"title": self.title, "url": self.url, "quote": self.quote}


@dataclass(frozen=True)
class Answer:
    text: str  # Markdown
    mode: str  # "verbatim", "look_up", "generated", "extract", "reply", "refusal", "unknown", "hand_over", "complaint", "busy"
    sources: tuple[Source, ...] = ()
    # What the bot asked and waits for: {"offer": "person"} or {"connector": name, "slot": name}
    open: dict[str, str] = field(default_factory=dict)
    hand_over: str | StrPromise = ""  # why a person is called, for agents to read; empty: the bot stays
    complaint: bool = False  # a case is to be opened; its number replaces {case_number} in the text
    language: str = ""  # in which it is said


@dataclass(frozen=True)
class Record:
    """What the company's own system says of something that the question names, where more is asked than that."""

    connector: str  # the look-up's name
    answer: Answer
    beside: str  # the question without the name


async def _nobody_listens(text: str) -> None:
    return None


@dataclass
class Tokens:
    """What language models read and wrote for one answer; `estimated` where their server did not say."""

    read: int = 0
    written: int = 0
    estimated: int = 0
    cost: int = 0  # millionths of the currency of the prices

    @property
    def total(self) -> int:
        return self.read + self.written


@dataclass
class Turn:
    tenant: Tenant
    question: str
    dialogue: Dialogue
    mind: Mind
    lane: Lane = Lane.WORKER
    locale: str = "zh-hans"  # in which the visitor reads the widget
    emit: Callable[[str], Awaitable[None]] = _nobody_listens  # gets each screened piece of a streamed answer
    visitor: str = (
        ""  # the site's own id of who asks, where the site vouches for it at this moment; else empty
    )
    has_files: bool = False  # the question came with some, which nobody here looks at
    deadline: float = field(default_factory=lambda: time.monotonic() + 60)  # on time.monotonic()'s clock

    left: asyncio.Event = field(
        default_factory=asyncio.Event
    )  # set when nobody waits for the answer any more
    waited: float = 0.0  # seconds that the question lay in the queue
    day_share: float = 0.0  # how much of the tenant's budget of today is spent, 1: all
    visitor_share: float = 0.0  # ... of the visitor's
    used_up: str = ""  # what of the tenant's plan is: "tokens", "conversations"; then no model is asked

    # What the steps find out, in their order
    hits: tuple[Hit, ...] = ()
    blocked: bool = False  # the question is refused and stays out of the dialogue
    needs_worker: bool = False  # a look-up is due: no other ready answer may come before it
    detected: Detected | None = None
    entry: EntryMatch | None = None  # the approved entry that is asked for
    record: Record | None = None
    rung: Rung = Rung.EXTRACT
    query: str = ""  # the question made self-contained
    passages: tuple[Passage, ...] = ()
    tokens: Tokens = field(default_factory=Tokens)
    provider: Provider | None = None  # the model server that answered
    # Look-ups that the model called: {"connector", "result", "ms"} of each; what they found; and the messages about it
    calls: list[dict[str, Any]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    exchange: list[dict[str, Any]] = field(default_factory=list)
    answer: Answer | None = None
    path: list[dict[str, Any]] = field(default_factory=list)  # one row a step: name, ms and what it noted

    def note(self, **facts: Any) -> None:
        """Adds facts to the running step's row of the path, where "why did it say that?" is answered from."""
        self.path[-1].update(facts)

    @property
    def language(self) -> str:
        """In which the visitor is answered: the one they write."""
        return spoken(self.question, self.dialogue, self.locale)

    @property
    def asked(self) -> str:
        """The question, without the name of what is on record."""
        return self.record.beside if self.record else self.question

    @property
    def on_record(self) -> str:
        """What the company's own system says of it; empty where nothing could be looked up."""
        return self.record.answer.text if self.record and not self.record.answer.open else ""

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())
