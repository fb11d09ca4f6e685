"""A local model's answer in the pieces that a server of OpenAI's chat completions would send."""

from __future__ import annotations

from typing import Any, Self

from inference.local import processes
from inference.models import Provider

TEMPERATURE = 0.2
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty")


class Chunks:
    """Leaving the `async with` calls the answer off. Raises LocalFailed."""

    def __init__(self, answer: processes.Answer) -> None:
        self.answer = answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.answer.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self.answer.is_whole:
            raise StopAsyncIteration
        return _chunk(await self.answer.next())


async def ask(provider: Provider, prompt: list[dict[str, Any]]) -> Chunks:
    """Once the model has taken the question. Raises LocalFailed."""
    return Chunks(await processes.ask(provider.model, request(provider, prompt)))


def request(provider: Provider, prompt: list[dict[str, Any]]) -> dict[str, Any]:
    """Of a provider's extra parameters only those that mean something here, and are numbers."""
    extra = provider.extra_body
    sampling = {name: extra[name] for name in SAMPLING if isinstance(extra.get(name), int | float)}
    stops = extra.get("stop") or []
    return {
        "messages": prompt,
        "most": provider.max_tokens,
        "temperature": TEMPERATURE,
        **sampling,
        "stop": [str(stop) for stop in (stops if isinstance(stops, list) else [stops])],
    }


def _chunk(message: processes.Message) -> dict[str, Any]:
    delta = {"content": message["text"]}
    return {
        "choices": [{"index": 0, "delta": delta, "finish_reason": message.get("end")}],
        "usage": {"prompt_tokens": message["read"], "completion_tokens": message["written"]},
    }
