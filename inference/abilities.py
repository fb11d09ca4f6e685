"""Finds out what a model server can do, by asking it: each ability is one small question, and what the provider's form says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from inference.calls import Calls
from inference.models import Provider

if TYPE_CHECKING:
    from openai import OpenAI

MOST = 60  # tokens of one answer
SUM = {
    "name": "sum",
    "schema": {
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": False,
    },
}
CLOCK_NAME = "what_time_is_it"
CLOCK = {
    "type": "function",
    "function": {
        "name": CLOCK_NAME,
        "description": "Tells the time",
        "parameters": {"type": "object", "properties": {}},
    },
}


@dataclass(frozen=True)
class Ability:
    title: Any
    claimed: Callable[[Provider], bool]  # by the form
    shows: Callable[[OpenAI, Provider], bool]  # raises what the client raises


def asked(provider: Provider, question: str, **more: Any) -> dict[str, Any]:
    """Keywords of a request."""
    return {
        "model": provider.model,
        "messages": [{"role": "user", "content": question}],
        provider.token_parameter: MOST,
        "extra_body": {**provider.thinking_off, **provider.extra_body} or None,
        **more,
    }


def _counts(client: OpenAI, provider: Provider) -> bool:
    told = asked(provider, "1 + 1 =", stream=True, stream_options={"include_usage": True})
    with client.chat.completions.create(**told) as chunks:
        return any(getattr(chunk, "usage", None) for chunk in chunks)


def _keeps_to_schema(client: OpenAI, provider: Provider) -> bool:
    told = asked(provider, "1 + 1 =", response_format={"type": "json_schema", "json_schema": SUM})
    said = json.loads(client.chat.completions.create(**told).choices[0].message.content or "")
    return isinstance(said, dict) and isinstance(said.get("sum"), int)


def _calls_tools(client: OpenAI, provider: Provider) -> bool:
    """As inference.generation asks: unforced; a block of JSON will do."""
    told = asked(provider, "What time is it? Call the tool.", tools=[CLOCK])
    message = client.chat.completions.create(**told).choices[0].message
    block = Calls([CLOCK])
    is_block = block.read_block(message.content or "") and block.made[0].name == CLOCK_NAME
    return bool(message.tool_calls) or is_block


def _does_not_think(client: OpenAI, provider: Provider) -> bool:
    message = client.chat.completions.create(**asked(provider, "1 + 1 =")).choices[0].message
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    return bool(message.content) and not thought and "<think>" not in message.content


COUNTS = Ability(_("counts tokens in a stream"), lambda provider: provider.tells_usage, _counts)
DOES_NOT_THINK = Ability(_("answers without thinking aloud"), lambda provider: True, _does_not_think)

ABILITIES = (
    COUNTS,
    Ability(_("keeps to a JSON schema"), lambda provider: provider.json_schema, _keeps_to_schema),
    Ability(
        _("calls tools"),
        lambda provider: provider.tool_choice != Provider.ToolChoice.NONE,
        _calls_tools,
    ),
    DOES_NOT_THINK,
)
