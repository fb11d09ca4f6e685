"""A local model's answer in the pieces that a server of OpenAI's chat completions would send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from inference.local import processes
from inference.models import Provider

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

TEMPERATURE = 0.2
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty")


class Chunks:
    """Leaving the `async with` calls the answer off. Raises LocalFailed."""

    def __init__(self, answer: processes.Answer, model: str) -> None:
        self.answer, self.model = answer, model

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.answer.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        if self.answer.is_whole:
            raise StopAsyncIteration
        return _chunk(await self.answer.next(), self.model)


async def ask(provider: Provider, prompt: list[dict[str, str]]) -> Chunks:
    """Once the model has taken the question. Raises LocalFailed."""
    return Chunks(await processes.ask(provider.model, request(provider, prompt)), provider.model)


def request(provider: Provider, prompt: list[dict[str, str]]) -> dict[str, Any]:
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


def _chunk(message: processes.Message, model: str) -> ChatCompletionChunk:
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk
    from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta

    read, written = message["read"], message["written"]
    return ChatCompletionChunk(
        id="",
        created=0,
        model=model,
        object="chat.completion.chunk",
        choices=[
            Choice(index=0, delta=ChoiceDelta(content=message["text"]), finish_reason=message.get("end"))
        ],
        usage=CompletionUsage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written),
    )
