"""The last look at what a model worded: measured, mended once by asking it again, else shown with a person offered.

The answer has been streamed by then, as a preview; the message that is committed replaces it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from django.utils.translation import gettext as _

from inference import breaker, llm, tools
from inference.generation import LEAST, ask_again
from inference.prompt import mending_prompt
from inference.turn import Answer, Turn
from inference.wording import EARLIER, Fault, Figures, figures_of, shortened, without_promises
from kefu import metrics
from knowledge.entries import recently_bare
from tenants import budgets

ANSWERS = ("verbatim", "look_up", "generated", "extract")  # modes that should have brought somebody further
SAME = 2  # times that the very question was asked before
RECENT = 6  # questions among which these are
LONG = 15  # turns with nobody but the bot


async def check_answer(turn: Turn) -> None:
    """Only what a model worded is judged; what the company approved stands as it is. Whoever gets nowhere is offered a person."""
    if turn.answer and turn.answer.mode == "generated":
        await _judge(turn, turn.answer)
    answer = turn.answer
    if answer and answer.mode in ANSWERS and not answer.open and (offer := _way_out(turn)):
        turn.answer = _offered(answer, offer)


async def _judge(turn: Turn, answer: Answer) -> None:
    figures = _figures(turn, answer.text)
    turn.note(recited=figures.recited, repeated=figures.repeated)
    metrics.OVERLAP.labels("passages").observe(figures.recited)
    metrics.OVERLAP.labels("answers").observe(figures.repeated)
    if fault := figures.fault:
        better = await _mended(turn, fault)
        turn.answer = replace(answer, text=better) if better else MAKE_DO[fault](answer)
        ended = "mended" if better else "offered" if turn.answer.open else "shortened"
        turn.note(fault=fault, ended=ended)
        metrics.FAULTS.labels(fault, ended).inc()


def _figures(turn: Turn, said: str) -> Figures:
    """Entries that are to be said word for word may be."""
    entries = turn.mind.entries.entries
    approved = {entry.id for entry in entries if entry.mode == "verbatim"}
    sources = [one.text for one in turn.passages if one.kind != "entry" or one.id not in approved]
    earlier = [answer for _question, answer in turn.dialogue.turns[-EARLIER:]]
    return figures_of(said, sources, earlier, has_looked_up=tools.has_found(turn))


async def _mended(turn: Turn, fault: Fault) -> str:
    """What the same model says when it is told what was wrong; empty where that is no better, or not worth its price now."""
    provider = turn.provider
    if provider is None or not _has_room(turn) or not await breaker.may_ask(turn.tenant, provider):
        return ""
    prompt = await asyncio.to_thread(mending_prompt, turn, provider.passage_characters, fault)
    try:
        better = shortened(await ask_again(turn, provider, prompt))
    except llm.ModelFailed as failure:
        turn.note(failed=str(failure))
        return ""
    return "" if _figures(turn, better).fault else better


def _has_room(turn: Turn) -> bool:
    """Somebody waits, there is time, and nobody's budget is so nearly used up that answers are light."""
    spent = max(turn.day_share, turn.visitor_share)
    return not turn.left.is_set() and turn.seconds_left >= LEAST and spent < budgets.NEAR


def _offered(answer: Answer, offer: str) -> Answer:
    return replace(answer, text=f"{answer.text}\n\n{offer}".strip(), open={"offer": "person"})


def _with_offer(answer: Answer) -> Answer:
    return _offered(answer, _("If this does not answer it, I can call a colleague for you."))


def _without_promises(answer: Answer) -> Answer:
    offer = _("I cannot do this myself; shall I call a colleague who can?")
    return _offered(replace(answer, text=without_promises(answer.text)), offer)


def _shortened(answer: Answer) -> Answer:
    return replace(answer, text=shortened(answer.text))


# What is made of an answer that could not be mended.
MAKE_DO: dict[Fault, Callable[[Answer], Answer]] = {
    Fault.PROMISE: _without_promises,
    Fault.REFUSAL: _with_offer,
    Fault.REPEATS: _with_offer,
    Fault.RECITES: _with_offer,
    Fault.WORDY: _shortened,
}


def _way_out(turn: Turn) -> str:
    """An offer to who asks the same thing for the third time, or has talked with nobody but the bot for long; else empty."""
    turns, asked = turn.dialogue.turns, recently_bare(turn.question)
    if sum(recently_bare(question) == asked for question, _answer in turns[-RECENT:]) >= SAME:
        turn.note(why="asked again and again")
        return _("This is all that I know about it. Shall I call a colleague for you?")
    offer = _("If you are getting nowhere with me, I can call a colleague for you.")
    if len(turns) < LONG or any(offer in answer for _question, answer in turns[-LONG:]):
        return ""
    turn.note(why="many turns")
    return offer
