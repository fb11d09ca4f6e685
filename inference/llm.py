"""The one seam to language models: any server that speaks OpenAI's chat completions, streaming."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.conf import settings

from inference.degrade import circuit
from inference.models import Provider
from inference.turn import Tokens
from kefu import metrics
from tenants.outbound import async_transport

if TYPE_CHECKING:
    from openai import AsyncOpenAI

logger = logging.getLogger(__name__)

FIRST_TOKEN = 30.0  # seconds until the first token
NEXT_TOKEN = 15.0  # seconds between two tokens

MOST_TOKENS = 10_000_000  # that one answer can have cost

Prompt = list[dict[str, str]]


class ModelFailed(Exception):
    """The model gave no answer, or broke off. `partly`: tokens had been shown already, so nobody asks again."""

    def __init__(self, reason: str, *, partly: bool = False) -> None:
        super().__init__(reason)
        self.partly = partly


async def stream(
    provider: Provider, prompt: Prompt, seconds: float, tokens: Tokens | None = None
) -> AsyncGenerator[str, None]:
    """The answer's pieces as the model makes them. Raises ModelFailed; leaving the loop closes the request at the server.

    What was used up is added to `tokens`, however it ends.
    """
    from openai import OpenAIError

    started, shown = time.monotonic(), False
    meter = Meter(prompt)
    try:
        async with asyncio.timeout(min(FIRST_TOKEN, seconds)):
            chunks: Any = await _asked(provider, prompt)
        meter.is_running = True
        async with chunks:
            async for piece in _pieces(chunks, started + seconds, meter):
                if not shown:
                    metrics.FIRST_TOKEN_SECONDS.observe(time.monotonic() - started)
                    shown = True
                yield piece
    except (OpenAIError, TimeoutError, OSError, ValueError) as error:
        circuit(provider).failed()
        reason = type(error).__name__
        metrics.MODEL_FAILURES.labels(reason).inc()
        logger.warning("%s failed: %s", provider.name, reason)
        raise ModelFailed(reason, partly=shown) from error
    finally:
        if tokens:
            meter.add_to(tokens)
    circuit(provider).succeeded()


_silent: set[tuple[str, str]] = set()  # servers and models that refuse to be asked for their usage


async def _asked(provider: Provider, prompt: Prompt) -> Any:
    """The stream, which ends with what it used up, from a server that knows how. One that refuses the question is not asked it again."""
    from openai import BadRequestError, UnprocessableEntityError

    who = (provider.base_url, provider.model)
    request: dict[str, Any] = {
        "model": provider.model,
        "messages": prompt,
        "max_tokens": provider.max_tokens,
        "temperature": 0.2,
        "stream": True,
        "extra_body": provider.extra_body or None,
    }
    if who in _silent:
        return await _client(provider).chat.completions.create(**request)
    try:
        return await _client(provider).chat.completions.create(
            **request, stream_options={"include_usage": True}
        )
    except (BadRequestError, UnprocessableEntityError) as error:
        if "stream_options" not in str(error):
            raise
        _silent.add(who)
    return await _client(provider).chat.completions.create(**request)


class Meter:
    """Reads along: the server's own figure where it gives one, else an estimate on the safe side, a token for three bytes."""

    def __init__(self, prompt: Prompt) -> None:
        self.bytes = sum(len(message["content"].encode()) for message in prompt)
        self.told = 0
        self.is_running = False  # a request that was refused costs nothing

    def read(self, chunk: Any) -> None:
        self.told = _usage_of(chunk) or self.told
        self.bytes += len(_text_of(chunk).encode())

    def add_to(self, tokens: Tokens) -> None:
        if self.is_running:
            tokens.total += self.told or self.bytes // 3
            tokens.estimated += 0 if self.told else self.bytes // 3


async def _pieces(chunks: AsyncIterator[Any], deadline: float, meter: Meter) -> AsyncIterator[str]:
    """Raises TimeoutError here and nowhere else: a timeout around a `yield` would strike whoever listens.

    Not `wait_for`: before Python 3.12 it may lose a cancellation that comes together with a token.
    """
    patience = FIRST_TOKEN
    while True:
        try:
            async with asyncio.timeout(min(patience, deadline - time.monotonic())):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        patience = NEXT_TOKEN
        meter.read(chunk)
        if text := _text_of(chunk):
            yield text


def _text_of(chunk: Any) -> str:
    """Empty for what carries none. Servers send more shapes than the client library declares, and it checks none of them."""
    try:
        text = chunk.choices[0].delta.content
    except (AttributeError, IndexError, TypeError):
        return ""
    return text if isinstance(text, str) else ""


def _usage_of(chunk: Any) -> int:
    """0 where it says nothing, or nothing that makes sense."""
    total = getattr(getattr(chunk, "usage", None), "total_tokens", 0)
    return total if isinstance(total, int) and 0 < total < MOST_TOKENS else 0


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, bool], AsyncOpenAI]] = (
    WeakKeyDictionary()
)


def _client(provider: Provider) -> AsyncOpenAI:
    """One a provider, process and loop, so that connections are used again."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    key = (provider.base_url, provider.api_key, is_operators(provider))
    if key not in clients:
        # No retries of its own: a turn's deadline and the ladder below it decide.
        clients[key] = AsyncOpenAI(
            **account(provider), http_client=DefaultAsyncHttpxClient(**guard(provider, async_transport))
        )
    return clients[key]


def account(provider: Provider) -> dict[str, Any]:
    return {"base_url": provider.base_url, "api_key": provider.api_key or "none", "max_retries": 0}


def guard(provider: Provider, transport: Callable[[], Any]) -> dict[str, Any]:
    """What an HTTP client needs for this provider: an address that a tenant chose is judged whenever a connection is made."""
    if is_operators(provider):
        return {}
    return {"transport": transport(), "trust_env": False, "follow_redirects": False}


def is_operators(provider: Provider) -> bool:
    """The installation's own one is no row, and may be anywhere; a row of the same address is a tenant's all the same."""
    return provider._state.adding and provider.base_url == settings.LLM_BASE_URL
