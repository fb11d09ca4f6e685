"""The company's look-ups as tools of a model.

The model only chooses among them. Whose rows are found is the visitor's own right, as in inference.business, and what is asked with are
values that the visitor gave or an earlier look-up of the same turn found: a document or a message that tells the model to call something
gains nothing that its reader could not have asked for.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inference import connectors, slots
from inference.calls import Call
from inference.connectors import Result
from inference.models import Connector, Provider
from inference.personal import mask_personal
from inference.turn import Answer, Turn
from tenants.hours import now_at

MOST = 3  # calls in a turn
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a function
CHARACTERS = 1000  # of what one of them tells the model


class Refused(StrEnum):
    """Why nothing was looked up."""

    UNKNOWN = "no such look-up"
    ARGUMENTS = "wrong arguments"
    TOO_MANY = "too many"


# In English, whatever the visitor speaks: only the model reads them.
ERRORS = {
    Refused.UNKNOWN: "Error: there is no such tool.",
    Refused.ARGUMENTS: "Error: wrong arguments. Give each parameter one of the values listed for it.",
    Refused.TOO_MANY: "Error: too many calls. Answer with what you have.",
}


@dataclass(frozen=True)
class Tool:
    connector: Connector
    values: dict[
        str, dict[str, str]
    ]  # by slot: what can be asked with, by the words that the model has for it

    @property
    def lacks(self) -> list[str]:
        """Slots for which nothing was named: without them it cannot be asked."""
        return [name for name, values in self.values.items() if not values]

    @property
    def schema(self) -> dict[str, Any]:
        properties = {name: self._property(name, values) for name, values in self.values.items()}
        parameters = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        about = {"name": self.connector.name, "description": str(self.connector), "parameters": parameters}
        return {"type": "function", "function": about}

    def _property(self, name: str, values: dict[str, str]) -> dict[str, Any]:
        about = self.connector.slots[name].get("ask", name)
        return {"type": "string", "description": about, "enum": list(values)}

    def chosen(self, arguments: str) -> dict[str, str] | None:
        """The value of each slot; None where one is not among those that can be asked with."""
        told = _object(arguments or "{}")
        if told is None or told.keys() - self.values.keys():
            return None
        found = {name: _among(values, told.get(name)) for name, values in self.values.items()}
        known = {name: value for name, value in found.items() if value is not None}
        return known if len(known) == len(found) else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _among(values: dict[str, str], told: Any) -> str | None:
    folded = str(told).strip().casefold()
    return next((value for words, value in values.items() if words.casefold() == folded), None)


def offered(turn: Turn, provider: Provider) -> dict[str, Tool]:
    """By name: the look-ups that the company lets models ask and that could be asked now, if this model can call any."""
    if not calls_tools(provider) or len(turn.calls) >= MOST:
        return {}
    known = turn.record.connector if turn.record else ""
    asked = (one for one in turn.mind.connectors.values() if one.model_may_ask and one.name != known)
    tools = [tool_of(turn, one) for one in asked]
    return {tool.connector.name: tool for tool in tools if not tool.lacks}


def calls_tools(provider: Provider) -> bool:
    return not provider.is_local and provider.tool_choice != Provider.ToolChoice.NONE


def tool_of(turn: Turn, connector: Connector) -> Tool:
    today = now_at(turn.tenant).date()
    known = slots.all_found(connector.slots, turn.dialogue, turn.question, today, turn.looked_up)
    return Tool(connector, {name: {_worded(turn, one): one for one in each} for name, each in known.items()})


def _worded(turn: Turn, text: str) -> str:
    """As the model may read it."""
    return mask_personal(text) if turn.tenant.policy.mask_personal_data else text


async def answers(turn: Turn, tools: dict[str, Tool], calls: Sequence[Call]) -> list[str]:
    """What came of each call, in words for the model. Never raises for what it called, or for what a system replied."""
    room = MOST - len(turn.calls)
    made = await asyncio.gather(*(_answer(turn, tools, call) for call in calls[:room]))
    made += [_refused(Refused.TOO_MANY)] * len(calls[room:])
    turn.calls += [row for row, _text in made]
    turn.looked_up += [text for row, text in made if row["result"] == Result.FOUND]
    turn.note(calls=turn.calls)
    return [_worded(turn, text)[:CHARACTERS] for _row, text in made]


async def _answer(turn: Turn, tools: dict[str, Tool], call: Call) -> tuple[dict[str, Any], str]:
    """A row of turn.calls, which holds nothing of what was found, and the words that the visitor would have got."""
    tool = tools.get(call.name)
    if tool is None:
        return _refused(Refused.UNKNOWN)  # its name is the model's invention, and may be anything
    name, values = tool.connector.name, tool.chosen(call.arguments)
    if values is None:
        return _refused(Refused.ARGUMENTS, name)
    outcome = await connectors.look_up(turn.tenant, tool.connector, values, turn.visitor)
    return {"connector": name, "result": str(outcome.result), "ms": round(outcome.ms)}, outcome.text


def _refused(why: Refused, connector: str = "") -> tuple[dict[str, Any], str]:
    return {"connector": connector, "result": str(why), "ms": 0}, ERRORS[why]


async def tell_what_was_found(turn: Turn) -> None:
    """A model that found something and did not word it: small ones call again and again, others fail meanwhile."""
    if turn.looked_up:
        turn.answer = Answer("\n\n".join(dict.fromkeys(turn.looked_up)), "look_up")


def has_asked(turn: Turn) -> bool:
    """Whether a look-up has told the model anything, be it that it failed."""
    return any(row["result"] in set(Result) for row in turn.calls)


def may_find_ones_own(turn: Turn) -> bool:
    """Whether a model could be asked to look up what belongs to this very visitor."""
    ticked = (one for one in turn.mind.connectors.values() if one.model_may_ask)
    return bool(turn.visitor) and any(one.is_personal for one in ticked)


def has_found(turn: Turn) -> bool:
    return bool(turn.on_record) or any(row["result"] in (Result.FOUND, Result.NOTHING) for row in turn.calls)


def exchange(text: str, calls: Sequence[Call], told: Sequence[str]) -> list[dict[str, Any]]:
    """Calls and what came of them, as chat completions want to be told of them."""
    made = [{"id": call.id, "type": "function", "function": _repeatable(call)} for call in calls]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": words}
        for call, words in zip(calls, told, strict=True)
    ]
    return [{"role": "assistant", "content": text, "tool_calls": made}, *results]


def _repeatable(call: Call) -> dict[str, str]:
    """As any server takes it: some refuse a whole request for arguments that are no JSON, or for an odd name, of an earlier call."""
    arguments = call.arguments if _object(call.arguments) is not None else "{}"
    return {"name": call.name if NAME.fullmatch(call.name) else "unknown", "arguments": arguments}
