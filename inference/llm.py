"""The one seam to language models: any server that speaks OpenAI's chat completions, streaming; and models in our own hands."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx2

from inference.calls import Calls
from inference.clients import client
from inference.local import stream as local
from inference.local.failure import LocalFailed
from inference.models import Provider
from inference.turn import Tokens
from kefu import metrics

logger = logging.getLogger(__name__)

AFTERWARDS = 2.0  # seconds that a server gets, once it has said all, to say what that used up
MOST_TOKENS = 10_000_000  # that one answer can have cost
MOST_LETTERS = 12  # of one token; a server that goes on beyond its limit of tokens does not keep to it
MOST_CHUNKS = 20_000  # of one answer, thoughts among them
# Reasons to end that leave an answer half: the server's own filter, or a failure of its own.
BROKEN = {"content_filter", "sensitive", "network_error", "insufficient_system_resource", "error", "abort"}
CALLS = {"tool_calls", "function_call"}
# Parameters that some servers refuse, and what they are told instead.
REFUSABLE: dict[str, dict[str, str]] = {
    "stream_options": {},
    "temperature": {},
    "max_tokens": {"max_tokens": "max_completion_tokens"},
    "max_completion_tokens": {"max_completion_tokens": "max_tokens"},
    "tools": {},
}
UNKNOWN = re.compile(r"unknown|unsupported|not support|unrecogni|unexpected|extra|not permitted|不支持", re.I)

Prompt = list[dict[str, Any]]


class ModelFailed(Exception):
    """The model gave no answer, or broke off.

    `partly`: tokens had come already, so nobody asks again. `is_ours`: the server is well, it did not like what it was asked.
    `wait`: seconds for which it wants to be left alone.
    """

    def __init__(
        self, reason: str, *, partly: bool = False, is_ours: bool = False, wait: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.partly, self.is_ours, self.wait = partly, is_ours, wait


class _Broken(Exception):
    """What came is no whole answer."""


async def stream(
    provider: Provider,
    prompt: Prompt,
    seconds: float,
    tokens: Tokens | None = None,
    first: float | None = None,
    calls: Calls | None = None,
) -> AsyncGenerator[str, None]:
    """The answer's pieces as the model makes them. Raises ModelFailed; leaving the loop closes the request at the server.

    It takes `seconds` in all and `first` until the first token, at most. What was used up is added to `tokens`, however it ends.
    The model may call the tools of `calls`, which then holds what it called.
    """
    from openai import OpenAIError

    started, shown = time.monotonic(), False
    calls = calls or Calls()
    meter = Meter(prompt, calls.tools)
    first = min(provider.first_token_seconds, seconds, first or seconds)
    try:
        async with asyncio.timeout(first):
            chunks: Any = await _asked(provider, prompt, calls.tools)
        meter.is_running = True
        async with chunks:
            async for piece in _pieces(chunks, provider, started + first, started + seconds, meter, calls):
                if not shown:
                    metrics.FIRST_TOKEN_SECONDS.observe(time.monotonic() - started)
                    shown = True
                yield piece
    except (OpenAIError, httpx2.HTTPError, LocalFailed, _Broken, TimeoutError, OSError, ValueError) as error:
        reason = str(error) if isinstance(error, _Broken | LocalFailed) else type(error).__name__
        metrics.MODEL_FAILURES.labels(reason).inc()
        logger.warning("%s failed: %s", provider.name, reason)
        raise ModelFailed(reason, partly=shown, is_ours=_is_ours(error), wait=_wait_of(error)) from error
    finally:
        if tokens:
            meter.add_to(tokens)


_refused: dict[tuple[str, str], set[str]] = {}  # parameters that a server and model did not want


async def _asked(provider: Provider, prompt: Prompt, tools: list[dict[str, Any]]) -> Any:
    """The stream. A parameter that the server refuses by name is left out, or called otherwise, from then on."""
    from openai import AsyncStream, BadRequestError, UnprocessableEntityError

    if provider.is_local:
        return await local.ask(provider, prompt)
    refused = _refused.setdefault((provider.base_url, provider.model), set())
    while True:
        request = _request(provider, prompt, refused, tools)
        try:
            # Not `chat.completions.create`: to make objects of request and chunks takes longer than all the rest.
            return await client(provider).post(
                "/chat/completions",
                body=request,
                cast_to=object,
                options={"security": {"bearer_auth": True}},
                stream=True,
                stream_cls=AsyncStream[object],
            )
        except (BadRequestError, UnprocessableEntityError) as error:
            named = _named(str(error), request)
            if not named or named in refused:
                raise
            refused.add(named)


def _named(error: str, request: dict[str, Any]) -> str:
    """The parameter that a server refuses; empty where it refuses something else."""
    # In many words: “requires --jinja”, “--enable-auto-tool-choice”, “does not support tools”.
    if "tools" in request and "tool" in error:
        return "tools"
    named = next((name for name in REFUSABLE if name in request and name in error), "")
    return named if UNKNOWN.search(error) else ""


def _request(
    provider: Provider, prompt: Prompt, refused: set[str], tools: list[dict[str, Any]]
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": provider.model,
        "messages": prompt,
        provider.token_parameter: provider.max_tokens,
        "temperature": 0.2,
        "stream": True,
        **provider.thinking_off,
        **provider.extra_body,
    }
    if provider.tells_usage:
        request["stream_options"] = {"include_usage": True}
    if tools:
        request["tools"] = tools
    for name in refused & request.keys():
        value = request.pop(name)
        request |= dict.fromkeys(REFUSABLE[name].values(), value)
    return request


class Meter:
    """Reads along: the server's own figures where it gives them, else an estimate on the safe side, a token for three bytes."""

    def __init__(self, prompt: Prompt, tools: list[dict[str, Any]]) -> None:
        self.read_bytes = sum(len(message["content"].encode()) for message in prompt)
        self.read_bytes += len(json.dumps(tools, ensure_ascii=False).encode()) if tools else 0
        self.written_bytes = 0
        self.told: tuple[int, int] | None = None
        self.is_running = False  # a request that was refused costs nothing

    def read(self, chunk: Any, called: int) -> None:
        """`called`: letters of calls, which are ASCII as good as always."""
        self.told = _usage_of(chunk) or self.told
        self.written_bytes += len((_text_of(chunk) or _thought_of(chunk)).encode()) + called

    def add_to(self, tokens: Tokens) -> None:
        if self.is_running:
            read, written = self.told or (self.read_bytes // 3, self.written_bytes // 3)
            tokens.read += read
            tokens.written += written
            tokens.estimated += 0 if self.told else read + written


async def _pieces(
    chunks: AsyncIterator[Any], provider: Provider, first: float, deadline: float, meter: Meter, calls: Calls
) -> AsyncIterator[str]:
    """Raises TimeoutError here and nowhere else: a timeout around a `yield` would strike whoever listens.

    Not `wait_for`: before Python 3.12 it may lose a cancellation that comes together with a token.
    """
    letters, count, ended = 0, 0, ""
    until = first
    while True:
        try:
            # What has come by now is there without a wait that could be ended.
            if time.monotonic() > deadline:
                raise TimeoutError
            async with asyncio.timeout(min(until, deadline) - time.monotonic()):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError:
            if ended:
                break
            raise
        called = calls.read(chunk)
        meter.read(chunk, called)
        text, count, ended = _text_of(chunk), count + 1, _end_of(chunk) or ended
        letters += len(text) + called
        if letters > MOST_LETTERS * provider.max_tokens or count > MOST_CHUNKS:
            raise _Broken("endless")
        if text:
            yield text
        if ended:
            until = time.monotonic() + AFTERWARDS
        elif letters or _thought_of(chunk):  # thoughts are a sign of life, but no first token
            until = max(until if not letters else 0.0, time.monotonic() + provider.next_token_seconds)
    if not ended:
        raise _Broken("cut")
    if ended in BROKEN or not (letters or ended in CALLS):
        raise _Broken(ended if ended in BROKEN else "empty")


def _text_of(chunk: Any) -> str:
    """Empty for what carries none. Servers send more shapes than OpenAI documents."""
    return _string(chunk, "content")


def _thought_of(chunk: Any) -> str:
    return _string(chunk, "reasoning_content") or _string(chunk, "reasoning")


def _string(chunk: Any, name: str) -> str:
    try:
        text = chunk["choices"][0]["delta"][name]
    except (KeyError, IndexError, TypeError):
        return ""
    return text if isinstance(text, str) else ""


def _end_of(chunk: Any) -> str:
    try:
        reason = chunk["choices"][0]["finish_reason"]
    except (KeyError, IndexError, TypeError):
        return ""
    return reason if isinstance(reason, str) else ""


def _usage_of(chunk: Any) -> tuple[int, int] | None:
    """What was read and what was written; None where it says nothing, or nothing that makes sense."""
    try:
        read, written = chunk["usage"]["prompt_tokens"], chunk["usage"]["completion_tokens"]
    except (KeyError, TypeError):
        return None
    if isinstance(read, int) and isinstance(written, int) and min(read, written) >= 0:
        return (read, written) if 0 < read + written < MOST_TOKENS else None
    return None


def _is_ours(error: Exception) -> bool:
    """Too long a prompt, a parameter that is unknown there: the next question may well be answered."""
    return getattr(error, "is_ours", False) or getattr(error, "status_code", 0) in (400, 413, 422)


def _wait_of(error: Exception) -> float:
    """Of Retry-After in seconds; its other form, a date, is as good as none."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:
        return 0.0
