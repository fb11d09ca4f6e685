"""How an answer was made, in words for administrators: the steps of the pipeline, and what each of them noted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from inference import status, tools
from inference.connectors import RESULTS
from inference.models import SensitiveWord
from inference.wording import Fault

STEPS = {
    "screen_question": _("screening of the question"),
    "detect_intent": _("recognised intent"),
    "answer_from_business": _("entries, look-ups and rules"),
    "choose_rung": _("how much help can be afforded"),
    "answer_as_before": _("answers given before"),
    "retrieve_passages": _("search for passages"),
    "ask_model": _("language model"),
    "tell_what_was_found": _("what look-ups found"),
    "quote_passage": _("quotation"),
    "tell_what_is_on_record": _("what is on record"),
    "admit_unknown": _("admission not to know"),
    "give_up": _("giving up"),
    "screen_answer": _("screening of the answer"),
    "check_answer": _("check of the answer"),
    "cite_sources": _("sources"),
    "keep_answer": _("keeping it for the same question"),
}

# What a step notes is shown under these names; the rest as it stands.
NOTED = {
    "intent": _("intent"),
    "best": _("best guess"),
    "confidence": _("confidence"),
    "first": _("at first"),
    "first_confidence": _("with confidence"),
    "by_meaning": _("by its meaning"),
    "surely": _("with confidence"),
    "by": _("answered by"),
    "entry": _("entry"),
    "score": _("score"),
    "rung": _("rung"),
    "why": _("because of"),
    "used_up": _("used up"),
    "as_before": _("said before"),
    "provider": _("provider"),
    "model": _("model"),
    "failed": _("failed"),
    "partly": _("broke off"),
    "tried": _("tried before"),
    "tokens_read": _("tokens read"),
    "tokens_written": _("tokens written"),
    "cost": _("cost"),
    "query": _("searched for"),
    "connector": _("look-up"),
    "result": _("result"),
    "waited": _("milliseconds of it"),
    "calls": _("called by the model"),
    "words": _("categories of words"),
    "action": _("action"),
    "recited": _("share copied from passages"),
    "repeated": _("share said before"),
    "fault": _("at fault"),
    "ended": _("and then"),
}

BY = {
    "files_alone": _("files without a word"),
    "person": _("call for a person"),
    "declined": _("offer declined"),
    "open_question": _("reply to the bot's question"),
    "exact_entry": _("entry, word for word"),
    "angry": _("anger"),
    "named_intent": _("intent"),
    "similar_entry": _("similar entry"),
}
WHYS = {
    "budget of the visitor": _("budget of the visitor"),
    "asked again and again": _("asked again and again"),
    "many turns": _("many turns"),
}
FAULTS = {
    Fault.PROMISE: _("a promise that nobody kept"),
    Fault.REFUSAL: _("a refusal that leads nowhere"),
    Fault.REPEATS: _("said before"),
    Fault.RECITES: _("read out from a passage"),
    Fault.WORDY: _("too long"),
}
ENDED = {"mended": _("mended"), "offered": _("a person offered"), "shortened": _("shortened")}
USED_UP = {"tokens": _("tokens"), "conversations": _("conversations")}
# What is noted under a name, in words.
WORDS: dict[str, dict[Any, Any]] = {
    "by": BY,
    "rung": status.RUNGS,
    "why": status.WHYS | WHYS,
    "used_up": USED_UP,
    "result": RESULTS,
    "action": dict(SensitiveWord.Action.choices),
    "fault": FAULTS,
    "ended": ENDED,
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

    @property
    def title(self) -> Any:
        return STEPS.get(self.name, self.name)


def step(row: dict[str, Any]) -> Step:
    """Of one row of a turn's path. What is not so goes without saying."""
    known = {"step", "ms", "passages"}
    facts = tuple(
        (NOTED.get(name, name), _shown(name, value))
        for name, value in row.items()
        if name not in known and value is not False
    )
    return Step(row.get("step", ""), row.get("ms", 0.0), facts, tuple(row.get("passages", ())))


def _shown(name: str, value: Any) -> Any:
    if name == "calls":
        return "; ".join(map(_call, value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is True:
        return _("yes")
    return "–" if value is None else WORDS.get(name, {}).get(value, value)


def _call(call: dict[str, Any]) -> str:
    result = call["result"]
    return (
        f"{call['connector']} {RESULTS.get(result) or REFUSED.get(result, result)} ({call['ms']} ms)".strip()
    )
