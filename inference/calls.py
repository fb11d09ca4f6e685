"""The tools that a model calls in its answer: put together from the fragments of a stream, or read from a block of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MOST = 16  # calls of one answer; what comes beyond is not even read
# Models whose server knows no calls of theirs (Qwen-Coder behind llama.cpp) answer with JSON, fenced or bare, and with nothing else.
BLOCK = re.compile(
    r"\s*(?:```(?:json)?|<tool_call>)?\s*(\{\s*[\"}](?:(?!```|</tool_call>).)*)(?:(?:```|</tool_call>)\s*)?",
    re.DOTALL,
)
OPENINGS = ("```", "{", "<tool_call>")


@dataclass
class Call:
    id: str
    name: str
    arguments: str  # JSON, if the model kept to it


class Calls:
    """`tools`: what a model may call, in the words of chat completions."""

    def __init__(self, tools: Iterable[dict[str, Any]] = ()) -> None:
        self.tools = list(tools)
        self._made: list[Call] = []
        self._at: dict[Any, Call] = {}  # by the index that the server gives it

    @property
    def made(self) -> tuple[Call, ...]:
        """What it called, in order; nothing where nothing was offered."""
        return tuple(self._made) if self.tools else ()

    def read(self, chunk: Any) -> int:
        """Takes the fragments of a chunk; how many letters they have."""
        return sum(self._take(*fragment) for fragment in _fragments(chunk))

    def read_block(self, text: str) -> bool:
        """Whether the whole answer is a block of JSON: if it is not a call that can be made, it is still nothing to show."""
        match = BLOCK.fullmatch(text)
        if match:
            self._made.append(_from(match[1]))
        return match is not None

    def _take(self, index: Any, id: str, name: str, arguments: str) -> int:
        call = self._at.get(index)
        # Some servers give all calls of an answer the same index.
        if call is None or (name and id and call.id != id):
            if len(self._made) == MOST:
                return len(name) + len(arguments)
            call = self._at[index] = Call(id or f"call_{len(self._made)}", "", "")
            self._made.append(call)
        call.name += name
        call.arguments += arguments
        return len(name) + len(arguments)


def may_become_block(text: str) -> bool:
    """Whether the beginning of an answer may still turn into such a block; nothing of it is shown so far."""
    beginning = text.strip()
    return any(beginning.startswith(opening) or opening.startswith(beginning) for opening in OPENINGS)


def _from(block: str) -> Call:
    try:
        told = json.loads(block)
        return Call("call_0", str(told["name"]), json.dumps(told.get("arguments", {})))
    except (ValueError, KeyError, RecursionError):
        return Call("call_0", "", "")


def _fragments(chunk: Any) -> Iterator[tuple[Any, str, str, str]]:
    """(index, id, name, arguments) of each; as with texts, servers send more shapes than OpenAI documents."""
    try:
        fragments = chunk["choices"][0]["delta"]["tool_calls"]
    except (KeyError, IndexError, TypeError):
        return
    for fragment in filter(_is_object, fragments if isinstance(fragments, list) else ()):
        function = fragment.get("function")
        told = function if _is_object(function) else {}
        texts = (fragment.get("id"), told.get("name"), told.get("arguments"))
        id, name, arguments = (text if isinstance(text, str) else "" for text in texts)
        index = fragment.get("index")
        yield index if isinstance(index, int) else None, id, name, arguments


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
