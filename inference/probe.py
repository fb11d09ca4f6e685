"""Asks a model server, once, whether it answers: for the person who has just typed its address."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.clients import account, guard
from inference.models import Provider
from tenants.outbound import transport

if TYPE_CHECKING:
    from openai import OpenAI

PATIENCE = 20.0  # seconds for each question
LISTED = 60
ERROR_CHARACTERS = 300


@dataclass(frozen=True)
class Reply:
    """What one question brought: lines of text, or an error in words, and the milliseconds it took."""

    lines: tuple[str, ...]
    error: str
    ms: float


@dataclass(frozen=True)
class Probe:
    models: Reply  # many servers have no list: that is no failure
    answer: Reply

    @property
    def works(self) -> bool:
        return not self.answer.error


def probe(provider: Provider) -> Probe:
    """The server's list of models, and an answer of one token. Never raises for what the server does."""
    from openai import DefaultHttpxClient, OpenAI

    key = provider.api_key or "none"
    line = DefaultHttpxClient(**guard(provider, transport))
    with OpenAI(**account(provider), timeout=PATIENCE, http_client=line) as client:
        return Probe(
            _ask(lambda: _models(client), key),
            _ask(lambda: _one_token(client, provider), key),
        )


def _models(client: OpenAI) -> tuple[str, ...]:
    return tuple(sorted(model.id for model in client.models.list().data)[:LISTED])


def _one_token(client: OpenAI, provider: Provider) -> tuple[str, ...]:
    answer = client.chat.completions.create(
        model=provider.model,
        messages=[{"role": "user", "content": "1 + 1 ="}],
        max_tokens=1,
        temperature=0,
        extra_body=provider.extra_body or None,
    )
    return tuple((choice.message.content or "").strip() for choice in answer.choices[:1])


def _ask(question: Callable[[], tuple[str, ...]], key: str) -> Reply:
    from openai import OpenAIError

    started = time.perf_counter()
    lines: tuple[str, ...] = ()
    error = ""
    try:
        lines = question()
    except (OpenAIError, OSError, ValueError, TypeError, AttributeError) as failure:
        # Servers that only resemble the protocol make the client stumble in its own ways; some repeat the key they refuse.
        why = (
            failure.__cause__ or failure
        )  # of a connection that could not be made, the client says just that
        error = f"{type(failure).__name__}: {why}".replace(key, "…")[:ERROR_CHARACTERS]
    return Reply(lines, error, (time.perf_counter() - started) * 1000)
