"""A conversation as the admin shows it: what was said, and how each answer of the bot was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Message
from inference import tools
from inference.connectors import RESULTS
from knowledge.markdown import plain

SHOWN = 500  # messages of one conversation

# Kinds of answers, in words.
MODES = {
    "verbatim": _("approved entry"),
    "look_up": _("look-up"),
    "generated": _("language model"),
    "extract": _("passage as it stands"),
    "reply": _("fixed reply"),
    "refusal": _("refused"),
    "unknown": _("not known"),
    "hand_over": _("called a person"),
    "complaint": _("complaint taken"),
    "busy": _("too busy"),
}

# What a step notes is shown under these names; the rest as it stands.
NOTED = {
    "intent": _("intent"),
    "best": _("best guess"),
    "confidence": _("confidence"),
    "by": _("answered by"),
    "entry": _("entry"),
    "score": _("score"),
    "rung": _("rung"),
    "why": _("because of"),
    "provider": _("provider"),
    "model": _("model"),
    "failed": _("failed"),
    "tried": _("tried before"),
    "tokens_read": _("tokens read"),
    "tokens_written": _("tokens written"),
    "cost": _("cost"),
    "query": _("searched for"),
    "connector": _("look-up"),
    "calls": _("called by the model"),
    "words": _("categories of words"),
    "action": _("action"),
    "recited": _("share copied from passages"),
    "repeated": _("share said before"),
    "fault": _("at fault"),
    "ended": _("and then"),
}

# Why a look-up that a model called was not made.
REFUSED = {
    tools.Refused.UNKNOWN: _("no such look-up"),
    tools.Refused.ARGUMENTS: _("wrong arguments"),
    tools.Refused.TOO_MANY: _("too many"),
}


@dataclass(frozen=True)
class Step:
    name: str
    ms: float
    facts: tuple[tuple[Any, Any], ...]
    passages: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Line:
    message: Message
    steps: tuple[Step, ...] = ()
    feedback: int = 0
    question: str = ""  # what a bot's answer answered, for "make it an entry"

    @property
    def mode(self) -> Any:
        return MODES.get(self.message.mode, self.message.mode)

    @property
    def sources(self) -> list[dict[str, str]]:
        return [source | {"quote": plain(source.get("quote", ""))} for source in self.message.sources]

    @property
    def ms(self) -> float:
        return sum(step.ms for step in self.steps)


def transcript(conversation: Conversation) -> dict[str, Any]:
    """Context for the conversation's page, in a fixed number of queries."""
    rows = conversation.messages.select_related("feedback").order_by("seq")[:SHOWN]
    return {
        "lines": _lines(rows),
        "notes": list(conversation.notes.select_related("agent")),
        "cases": list(conversation.cases.all()),
        "shown_messages": SHOWN,
    }


def _lines(rows: Any) -> list[Line]:
    lines, asked = [], ""
    for message in rows:
        if message.sender_kind == Message.Sender.VISITOR:
            asked = message.text
        feedback = getattr(message, "feedback", None)
        lines.append(Line(message, _steps(message), feedback.score if feedback else 0, asked))
    return lines


def _steps(message: Message) -> tuple[Step, ...]:
    steps = message.path.get("steps", []) if isinstance(message.path, dict) else []
    return tuple(_step(step) for step in steps)


def _step(step: dict[str, Any]) -> Step:
    known = {"step", "ms", "passages"}
    facts = tuple(
        (NOTED.get(name, name), _shown(name, value)) for name, value in step.items() if name not in known
    )
    return Step(step.get("step", ""), step.get("ms", 0.0), facts, tuple(step.get("passages", ())))


def _shown(name: str, value: Any) -> Any:
    return "; ".join(map(_call, value)) if name == "calls" else value


def _call(call: dict[str, Any]) -> str:
    result = call["result"]
    return (
        f"{call['connector']} {RESULTS.get(result) or REFUSED.get(result, result)} ({call['ms']} ms)".strip()
    )
