"""Asks a model server, once, whether it answers: for the person who has just typed its address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from inference.abilities import ABILITIES, COUNTS, DOES_NOT_THINK, MOST
from inference.clients import account, guard, is_old_azure
from inference.local import folders
from inference.local.failure import LocalFailed
from inference.local.trying import Trial, trial
from inference.models import Provider
from tenants.outbound import Refused, transport

if TYPE_CHECKING:
    from openai import OpenAI

PATIENCE = 20.0  # seconds for each question
EACH, ALTOGETHER = 10.0, 30.0  # seconds for one ability, and for all
LISTED = 60
ERROR_CHARACTERS = 300


@dataclass(frozen=True)
class Reply:
    """What one question brought: lines of text, or an error in words, and the milliseconds it took."""

    lines: tuple[str, ...]
    error: str
    ms: float


@dataclass(frozen=True)
class Found:
    """An ability, whether the server showed it, and whether the provider's form says so."""

    title: Any
    is_found: bool
    is_claimed: bool
    error: str
    ms: float


@dataclass(frozen=True)
class Probe:
    models: Reply  # many servers have no list: that is no failure
    answer: Reply
    abilities: tuple[Found, ...] = ()  # not asked for where it does not even answer
    # Of a model without a server: on what it runs, and how long that took to begin.
    loaded: Reply | None = None

    @property
    def works(self) -> bool:
        return not self.answer.error


def probe(provider: Provider) -> Probe:
    """The server's list of models, an answer of one token, and what it can do. Never raises for what the server does."""
    from openai import AzureOpenAI, DefaultHttpxClient, OpenAI

    if provider.is_local:
        return _local(provider)
    key = provider.api_key or "none"
    line = DefaultHttpxClient(**guard(provider, transport))
    make = AzureOpenAI if is_old_azure(provider) else OpenAI
    with make(**account(provider), timeout=PATIENCE, http_client=line) as client:
        models = _ask(lambda: _models(client), key)
        answer = _ask(lambda: _one_token(client, provider), key)
        return Probe(models, answer, () if answer.error else tuple(_abilities(client, provider, key)))


def _abilities(client: OpenAI, provider: Provider, key: str) -> Iterator[Found]:
    """Together they take no longer than a page may."""
    until = time.monotonic() + ALTOGETHER
    for ability in ABILITIES:
        if time.monotonic() > until:
            return
        shows = partial(ability.shows, client.with_options(timeout=EACH), provider)
        reply = _ask(lambda shows=shows: ("yes",) if shows() else (), key)  # type: ignore[misc]
        yield Found(ability.title, bool(reply.lines), ability.claimed(provider), reply.error, reply.ms)


# --- Without a server -------------------------------------------------------------------------------------------------


def _local(provider: Provider) -> Probe:
    """Of what is asked of a server, that which such a model could have."""
    models = Reply(tuple(folders.names()), "", 0.0)
    began = time.perf_counter()
    try:
        with trial(provider.model, ALTOGETHER) as tried:
            loaded = Reply((tried.device, str(tried.context)), "", _since(began))
            answer = _local_answer(tried, most=1)[0]
            said, counts = _local_answer(tried, most=MOST)
    except LocalFailed as failure:
        return Probe(models, Reply((), failure.words[:ERROR_CHARACTERS], _since(began)))
    thinks = "<think>" in "".join(said.lines)
    found = ((COUNTS, counts), (DOES_NOT_THINK, not thinks))
    abilities = (Found(one.title, is_found, one.claimed(provider), "", said.ms) for one, is_found in found)
    return Probe(models, answer, tuple(abilities), loaded)


def _local_answer(tried: Trial, most: int) -> tuple[Reply, bool]:
    """And whether it counted what it read and wrote."""
    began = time.perf_counter()
    text, read, written = tried.ask(
        {"messages": [{"role": "user", "content": "1 + 1 ="}], "most": most, "temperature": 0.0}
    )
    return Reply((text.strip(),), "", _since(began)), read > 0 and 0 < written <= most


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


# --- With one ---------------------------------------------------------------------------------------------------------


def _models(client: OpenAI) -> tuple[str, ...]:
    return tuple(sorted(model.id for model in client.models.list().data)[:LISTED])


def _one_token(client: OpenAI, provider: Provider) -> tuple[str, ...]:
    limit: Any = {provider.token_parameter: 1}
    answer = client.chat.completions.create(
        model=provider.model,
        messages=[{"role": "user", "content": "1 + 1 ="}],
        extra_body={**provider.thinking_off, **provider.extra_body} or None,
        **limit,
    )
    return tuple((choice.message.content or "").strip() for choice in answer.choices[:1])


def _ask(question: Callable[[], tuple[str, ...]], key: str) -> Reply:
    from openai import OpenAIError

    started = time.perf_counter()
    lines: tuple[str, ...] = ()
    error = ""
    try:
        lines = question()
    except (OpenAIError, OSError, ValueError, TypeError, AttributeError, IndexError) as failure:
        # Servers that only resemble the protocol make the client stumble in its own ways; some repeat the key they refuse.
        error = _why(failure).replace(key, "…")[:ERROR_CHARACTERS]
    return Reply(lines, error, _since(started))


def _why(failure: Exception) -> str:
    """Of a connection that could not be made, the client says just that; its cause says more, and a refusal of ours says it all."""
    cause: BaseException | None = failure
    while cause and not isinstance(cause, Refused):
        cause = cause.__cause__ or cause.__context__
    if cause:
        return str(cause)
    said = f"{type(failure).__name__}: {failure.__cause__ or failure}"
    is_stumble = isinstance(failure, TypeError | AttributeError | IndexError)
    return f"{_('What it sends is not what the protocol says.')} ({said})" if is_stumble else said
