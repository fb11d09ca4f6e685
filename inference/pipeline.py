"""How a question becomes an answer. Start reading here.

A step is a plain function of the turn. In the quick lane only the steps of QUICK run, in the socket's own process; where they end
without an answer, a worker runs the whole search.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

from django.utils import translation

from inference.as_before import answer_as_before, keep_answer
from inference.business import answer_from_business
from inference.checking import check_answer
from inference.degrade import choose_rung
from inference.generation import ask_model
from inference.intents import detect_intent
from inference.knowing import (
    admit_unknown,
    give_up,
    quote_passage,
    retrieve_passages,
    tell_what_is_on_record,
)
from inference.manners import cite_sources
from inference.moderation import screen_answer, screen_question
from inference.tools import tell_what_was_found
from inference.turn import Lane, Turn
from kefu import metrics

Step = Callable[[Turn], Awaitable[None]]

QUICK: tuple[Step, ...] = (
    screen_question,  # refuse or mask what this tenant forbids
    detect_intent,  # name what is asked, and how surely (local ONNX model)
    answer_from_business,  # hand-over request, opening hours, approved entries, order status: no model needed
)
SCREENED = (screen_question,)  # while a person is in charge
ANSWER: tuple[Step, ...] = (  # in order; the first step to set turn.answer ends the search
    *QUICK,
    choose_rung,  # how much help we can afford right now
    answer_as_before,  # what the model said when just this was asked last
    retrieve_passages,  # what the tenant's documents say
    ask_model,  # the language model, inside the turn's deadline, streaming
    tell_what_was_found,  # it looked something up and did not word it: in the company's own words
    quote_passage,  # no model, or it failed: the best passage as it stands
    tell_what_is_on_record,  # nothing of what is asked, but something of what it names
    admit_unknown,  # nothing known: say so, and offer a person
)
FINISH: tuple[Step, ...] = (  # always, whoever answered
    screen_answer,  # sensitive words and personal data must not leave
    check_answer,  # recitation, bare refusal, false promise: repair once, else offer a human
    cite_sources,
)


async def run(turn: Turn) -> None:
    """Sets turn.answer; in the quick lane it may stay None, which means: ask a worker."""
    if turn.lane == Lane.QUICK:
        await search(turn, QUICK)
    else:
        await search(turn, ANSWER)
        await _timed(keep_answer, turn)  # for the next visitor who asks just this


async def search(turn: Turn, steps: tuple[Step, ...]) -> None:
    """Takes `steps` until one of them has set turn.answer, then those of FINISH."""
    language = turn.language
    spoken = translation.get_language() == language  # as it mostly is in a visitor's socket
    with nullcontext() if spoken else translation.override(language):
        for step in steps:
            await _timed(step, turn)
            if turn.answer:
                await _finish(turn)
                return


async def surrender(turn: Turn) -> None:
    """For a turn that was tried too often: offers a person instead."""
    with translation.override(turn.language):
        await _timed(give_up, turn)
        await _finish(turn)


async def _finish(turn: Turn) -> None:
    for step in FINISH:
        await _timed(step, turn)
    assert turn.answer is not None
    turn.answer = replace(turn.answer, language=turn.language)
    _counter(turn.lane, turn.answer.mode).inc()


async def _timed(step: Step, turn: Turn) -> None:
    name = step.__name__
    row: dict[str, Any] = {"step": name}
    turn.path.append(row)
    started = time.perf_counter()
    await step(turn)
    seconds = time.perf_counter() - started
    row["ms"] = round(seconds * 1000, 2)
    _histogram(name).observe(seconds)


_histogram, _counter = cache(metrics.STEP_SECONDS.labels), cache(metrics.ANSWERS.labels)  # looked up once
