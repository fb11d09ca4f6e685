from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

from inference import breaker, health, llm
from inference.llm import Prompt
from inference.manners import is_enough, may_become_unknown, says_unknown, whole_sentences
from inference.models import Provider
from inference.moderation import unsayable
from inference.prompt import prompt_for
from inference.screening import StreamScreen
from inference.turn import Answer, Rung, Turn
from tenants.budgets import MICRO

Emit = Callable[[str], Awaitable[None]]

ROLES = {Rung.FULL: ("full", "light"), Rung.LIGHT: ("light",)}  # of those who may be asked, by rung
RETRIES = 2  # in a turn, each with another server, and none once there was a token
LEAST = 2.0  # seconds that must be left to try another


async def ask_model(turn: Turn) -> None:
    """Streams an answer from the passages, screened piece by piece before it leaves. Leaves none where no model gives one."""
    if turn.rung not in ROLES or not turn.passages:
        return
    providers, tried = list(_candidates(turn)), list[str]()
    turn.rung = Rung.EXTRACT  # until one answers
    while providers and len(tried) <= RETRIES and turn.seconds_left:
        provider = providers.pop(0)
        if not await breaker.may_ask(turn.tenant, provider):
            continue
        turn.rung = Rung(provider.role)
        turn.note(provider=provider.name, model=provider.model, rung=turn.rung)
        try:
            prompt = await asyncio.to_thread(prompt_for, turn, provider.passage_characters)
            # Where others can be asked, the first token may take half of what is left.
            first = turn.seconds_left / (2 if providers else 1)
            text, blocked = await _asked(turn, provider, prompt, turn.emit, first)
        except llm.ModelFailed as failure:
            tried.append(provider.name)
            turn.note(failed=str(failure), partly=failure.partly, tried=tried)
            turn.rung = Rung.EXTRACT
            if failure.partly or turn.seconds_left < LEAST:
                return
        else:
            turn.provider = provider
            _conclude(turn, text, blocked)
            return


async def ask_again(turn: Turn, provider: Provider, prompt: Prompt) -> str:
    """What the model says instead, screened, and shown to nobody yet; empty where it must not be said. Raises llm.ModelFailed."""
    text, blocked = await _asked(turn, provider, prompt, _to_nobody, turn.seconds_left)
    return "" if blocked or says_unknown(text) else text


async def _to_nobody(piece: str) -> None:
    return None


def _candidates(turn: Turn) -> Iterator[Provider]:
    """Who may be asked on this rung, best first; then those of the rung below."""
    for role in ROLES[turn.rung]:
        yield from (provider for provider in turn.mind.providers if provider.role == role)


def _conclude(turn: Turn, text: str, blocked: bool) -> None:
    if blocked:
        turn.answer = unsayable()
    elif text and not says_unknown(text):
        turn.answer = Answer(text, "generated")


async def _asked(
    turn: Turn, provider: Provider, prompt: Prompt, emit: Emit, first: float
) -> tuple[str, bool]:
    """What came of it is told to everybody: the breaker and the ladder depend on it."""
    clock, before = _Clock(), (turn.tokens.read, turn.tokens.written)
    works: bool | None = None
    wait = 0.0
    try:
        said = await _while_awaited(turn, _streamed(turn, provider, prompt, emit, clock, first))
        works = True
        return said
    except llm.ModelFailed as failure:
        works, wait = (None if failure.is_ours else False), failure.wait
        raise
    finally:
        _pay(turn, provider, *before)
        await breaker.tell(turn.tenant, provider, works=works, wait=wait)
        if works is not None:
            await health.count(turn.tenant, provider, works=works, first_token=clock.first)


async def _while_awaited(turn: Turn, asking: Coroutine[Any, Any, tuple[str, bool]]) -> tuple[str, bool]:
    """Raises ModelFailed when the visitor has left meanwhile: whoever comes back finds what the documents say."""
    task, left = asyncio.ensure_future(asking), asyncio.ensure_future(turn.left.wait())
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise llm.ModelFailed("the visitor left", partly=True, is_ours=True)
        return task.result()
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


def _pay(turn: Turn, provider: Provider, read: int, written: int) -> None:
    """For what this request added to the turn's tokens. Prices are for a million: what they make of tokens are millionths."""
    read, written = turn.tokens.read - read, turn.tokens.written - written
    cost = round(read * Decimal(provider.input_price) + written * Decimal(provider.output_price))
    turn.tokens.cost += cost
    turn.note(tokens_read=read, tokens_written=written, **({"cost": cost / MICRO} if cost else {}))


class _Clock:
    """Seconds to the first token, once there was one."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.first: float | None = None

    def tick(self) -> None:
        if self.first is None:
            self.first = time.monotonic() - self.began


async def _streamed(
    turn: Turn, provider: Provider, prompt: Prompt, emit: Emit, clock: _Clock, first: float
) -> tuple[str, bool]:
    """(what the model said, whether screening stopped it). `first`: seconds until the first token, at most."""
    screen = StreamScreen(turn.mind.lexicon)
    said = shown = ""
    clock.began = time.monotonic()
    async with aclosing(llm.stream(provider, prompt, turn.seconds_left, turn.tokens, first)) as pieces:
        async for piece in pieces:
            clock.tick()
            said += screen.feed(piece)
            if screen.blocked:
                return "", True
            if not may_become_unknown(said):
                await emit(said[len(shown) :])
                shown = said
            if is_enough(said, provider.max_tokens):
                return said.strip(), False
    said += screen.finish()
    return whole_sentences(said), screen.blocked
