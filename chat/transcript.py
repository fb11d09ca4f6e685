"""A conversation as the admin shows it: what was said, and how each answer of the bot was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Message
from chat.steps import Step, step
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
    return tuple(map(step, steps))
