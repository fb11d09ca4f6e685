from __future__ import annotations

import asyncio
from contextlib import aclosing

from inference import llm
from inference.manners import is_enough, may_become_unknown, says_unknown, whole_sentences
from inference.models import Provider
from inference.moderation import unsayable
from inference.prompt import prompt_for
from inference.screening import StreamScreen
from inference.turn import Answer, Rung, Turn


async def ask_model(turn: Turn) -> None:
    """Streams an answer from the passages, screened piece by piece before it leaves. Leaves none where the model fails."""
    provider = _provider(turn)
    if provider is None or not turn.passages:
        return
    turn.note(provider=provider.name, model=provider.model)
    try:
        text, blocked = await _streamed(turn, provider)
    except llm.ModelFailed as failure:
        turn.note(failed=str(failure), partly=failure.partly)
        turn.rung = Rung.EXTRACT
        return
    if blocked:
        turn.answer = unsayable()
    elif text and not says_unknown(text):
        turn.answer = Answer(text, "generated")


def _provider(turn: Turn) -> Provider | None:
    role = {Rung.FULL: Provider.Role.FULL, Rung.LIGHT: Provider.Role.LIGHT}.get(turn.rung)
    return next((provider for provider in turn.mind.providers if provider.role == role), None)


async def _streamed(turn: Turn, provider: Provider) -> tuple[str, bool]:
    """(what the model said, whether screening stopped it)."""
    screen = StreamScreen(turn.mind.lexicon)
    said = shown = ""
    prompt = await asyncio.to_thread(prompt_for, turn, provider.passage_characters)
    async with aclosing(llm.stream(provider, prompt, turn.seconds_left, turn.tokens)) as pieces:
        async for piece in pieces:
            said += screen.feed(piece)
            if screen.blocked:
                return "", True
            if not may_become_unknown(said):
                await turn.emit(said[len(shown) :])
                shown = said
            if is_enough(said, provider.max_tokens):
                return said.strip(), False
    said += screen.finish()
    return whole_sentences(said), screen.blocked
