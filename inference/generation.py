from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from inference import breaker, health, llm, tools
from inference.calls import Call, Calls, may_become_block
from inference.llm import Prompt
from inference.manners import is_enough, may_become_unknown, says_unknown, whole_sentences
from inference.models import Provider
from inference.moderation import unsayable
from inference.prompt import prompt_for
from inference.screening import StreamScreen
from inference.turn import Answer, Rung, Turn
from tenants.budgets import MICRO

Emit = Callable[[str], Awaitable[None]]
T = TypeVar("T")
PARAGRAPH = "\n\n"

ROLES = {Rung.FULL: ("full", "light"), Rung.LIGHT: ("light",)}  # of those who may be asked, by rung
RETRIES = 2  # in a turn, each with another server, and none once there was a token
LEAST = 2.0  # seconds that must be left to try another, or to word what a look-up found


async def ask_model(turn: Turn) -> None:
    """Streams an answer from the passages, screened piece by piece before it leaves. Leaves none where no model gives one.

    Without passages only models are asked that can look something up for what the visitor has named; nothing else is left to answer from.
    """
    if turn.rung not in ROLES:
        return
    providers, tried = list(_candidates(turn)), list[str]()
    if not (turn.passages or providers):
        return
    turn.rung = Rung.EXTRACT  # until one answers
    while providers and len(tried) <= RETRIES and turn.seconds_left:
        provider = providers.pop(0)
        if not await breaker.may_ask(turn.tenant, provider):
            continue
        turn.rung = Rung(provider.role)
        turn.note(provider=provider.name, model=provider.model, rung=turn.rung)
        try:
            # Where others can be asked, the first token may take half of what is left.
            first = turn.seconds_left / (2 if providers else 1)
            text, blocked = await _answered(turn, provider, first)
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
    request = _Request(provider, prompt, turn.seconds_left, StreamScreen(turn.mind.lexicon))
    text, blocked = await _asked(turn, request)
    return "" if blocked or says_unknown(text) else text


async def _to_nobody(piece: str) -> None:
    return None


def _candidates(turn: Turn) -> Iterator[Provider]:
    """Who may be asked on this rung, best first; then those of the rung below."""
    for role in ROLES[turn.rung]:
        for provider in turn.mind.providers:
            if provider.role == role and (turn.passages or tools.offered(turn, provider)):
                yield provider


def _conclude(turn: Turn, text: str, blocked: bool) -> None:
    if blocked:
        turn.answer = unsayable()
    elif text and not says_unknown(text):
        turn.answer = Answer(text, "generated")


@dataclass
class _Request:
    """One of a model. `first`: seconds until the first token, at most; `before`: what it said in earlier ones."""

    provider: Provider
    prompt: Prompt
    first: float
    screen: StreamScreen
    emit: Emit = _to_nobody
    calls: Calls = field(default_factory=Calls)
    before: str = ""


async def _answered(turn: Turn, provider: Provider, first: float) -> tuple[str, bool]:
    """(what the model said, whether screening stopped it), in as many requests as it takes: look-ups that it calls are made in between.

    What it says before a call is a paragraph of the answer: it has been seen by then. Raises llm.ModelFailed.
    """
    before = ""
    screen = StreamScreen(turn.mind.lexicon)  # one for all: no word leaves in two halves between two of them
    while True:
        offered = tools.offered(turn, provider)
        calls = Calls(tool.schema for tool in offered.values())
        prompt = await asyncio.to_thread(
            prompt_for, turn, provider.passage_characters, has_tools=bool(offered)
        )
        # Without passages it may know nothing as yet, and make something up instead of calling.
        emit = turn.emit if turn.passages or tools.has_asked(turn) else _to_nobody
        request = _Request(provider, prompt, first, screen, emit, calls, before)
        try:
            text, blocked = await _asked(turn, request)
            if blocked or not calls.made:
                break
            told = await _looked_up(turn, offered, calls.made)
        except llm.ModelFailed as failure:
            failure.partly = failure.partly or bool(turn.exchange)  # the next one would look it up again
            raise
        turn.exchange += tools.exchange(text[len(before) :], calls.made, told)
        before, first = text if emit is turn.emit else "", turn.seconds_left
    said = text[len(before) :].strip()
    return text if said and emit is turn.emit and not says_unknown(said) else "", blocked


async def _looked_up(turn: Turn, offered: dict[str, tools.Tool], calls: tuple[Call, ...]) -> list[str]:
    """Raises ModelFailed where no time would be left to word what is found, or nobody waits for it."""
    try:
        async with asyncio.timeout(turn.seconds_left - LEAST):
            return await _while_awaited(turn, tools.answers(turn, offered, calls))
    except TimeoutError as error:
        raise llm.ModelFailed("no time to look up", partly=True, is_ours=True) from error


async def _asked(turn: Turn, request: _Request) -> tuple[str, bool]:
    """What came of it is told to everybody: the breaker and the ladder depend on it."""
    provider = request.provider
    clock, before = _Clock(), (turn.tokens.read, turn.tokens.written)
    works: bool | None = None
    wait = 0.0
    try:
        said = await _while_awaited(turn, _streamed(turn, request, clock))
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


async def _while_awaited(turn: Turn, asking: Coroutine[Any, Any, T]) -> T:
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
    row = turn.path[-1]  # of all requests of the step
    turn.note(
        tokens_read=row.get("tokens_read", 0) + read, tokens_written=row.get("tokens_written", 0) + written
    )
    if cost:
        turn.note(cost=round(row.get("cost", 0) + cost / MICRO, 6))


class _Clock:
    """Seconds to the first token, once there was one."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.first: float | None = None

    def tick(self) -> None:
        if self.first is None:
            self.first = time.monotonic() - self.began


async def _streamed(turn: Turn, request: _Request, clock: _Clock) -> tuple[str, bool]:
    """(what the model has said by now, whether screening stopped it). What it calls is in request.calls, and never said."""
    screen, calls, limit = request.screen, request.calls, request.provider.max_tokens
    may_call = bool(calls.tools or turn.exchange)  # where it could once, it may try again
    raw, fed, shown = "", 0, ""
    said = screen.feed(PARAGRAPH) if request.before else ""
    clock.began = time.monotonic()
    stream = llm.stream(
        request.provider, request.prompt, turn.seconds_left, turn.tokens, request.first, calls
    )
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            clock.tick()
            raw += piece
            if may_call and may_become_block(raw):
                continue
            said, fed = said + screen.feed(raw[fed:]), len(raw)
            if screen.blocked:
                return "", True
            if not may_become_unknown(said):
                await request.emit(said[len(shown) :])
                shown = said
            if is_enough(said, limit):
                return (request.before + said).strip(), False
    if may_call and calls.read_block(raw):
        return request.before, False
    said += screen.feed(raw[fed:])
    if calls.made:
        return request.before + said, screen.blocked
    said += screen.finish()
    return whole_sentences(request.before + said), screen.blocked
