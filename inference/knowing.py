"""What the company's own documents say, and what to say where they say nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from django.utils.translation import gettext as _

from inference.following import in_full, leans
from inference.manners import source_of
from inference.turn import Answer, Turn
from knowledge.corpus import find
from knowledge.extract import best_sentences
from knowledge.retrieval import CANDIDATES, FLOOR, SURE_FLOOR, Passage

SENTENCES, FEW_SENTENCES = 3, 2
# Chosen with `make bench ARGS=follow-ups`, on the very follow-ups that it counts; between 0.5 and 1 little changes.
NOW_WEIGHT = 0.6
TOPIC_FLOOR = 0.3  # of a question with those it leans on: a passage speaks of the last of them, and what it is about is settled
FIRST = 3
NOW_FLOOR = 0.22  # of a short question alone: one of the first passages found with those before it must speak of it, too


async def retrieve_passages(turn: Turn) -> None:
    """For a question that may lean on those before it: the passages of both together, unless it is surer of what it finds alone."""
    near = await _retrieved(turn, turn.asked, None)
    alone = [passage for passage in near if passage.sureness >= FLOOR]
    turn.query, found = turn.asked, alone
    if whole := in_full(turn.asked, turn.dialogue):
        together = await _retrieved(turn, whole, TOPIC_FLOOR)
        goes_on = _surest(together) >= _surest(alone) and _belongs(near, together)
        if leans(turn.question) or goes_on:
            turn.query, found = whole, _ranked(together, alone)
    turn.passages = tuple(found[: turn.tenant.policy.passages])
    turn.note(query=turn.query, passages=[_noted(passage) for passage in turn.passages])


async def _retrieved(turn: Turn, query: str, floor: float | None) -> list[Passage]:
    weight = turn.tenant.policy.dense_weight
    return await find(turn.tenant, query, limit=CANDIDATES, dense_weight=weight, floor=floor)


def _belongs(near: list[Passage], together: list[Passage]) -> bool:
    """Whether a question that is only short goes on with the matter, and not to the weather: what was found for both speaks of it, too."""
    now = {(passage.kind, passage.id): passage.sureness for passage in near}
    return any(now.get((one.kind, one.id), 0.0) >= NOW_FLOOR for one in together[:FIRST])


def _surest(passages: list[Passage]) -> float:
    return max((passage.sureness for passage in passages), default=0.0)


def _ranked(together: list[Passage], alone: list[Passage]) -> list[Passage]:
    """Those about the whole matter, in front the ones that speak of what is asked now rather than of what was asked before."""
    now = {(passage.kind, passage.id): passage.score for passage in alone}
    return sorted(together, key=lambda one: -(one.score + NOW_WEIGHT * now.get((one.kind, one.id), 0.0)))


def _noted(passage: Passage) -> dict[str, object]:
    return {
        "kind": passage.kind,
        "id": passage.id,
        "title": passage.title,
        "sureness": round(passage.sureness, 3),
    }


async def quote_passage(turn: Turn) -> None:
    """The sentences of the best passage that fit the question, as they stand and called a quotation; never the same twice in a row."""
    floor = SURE_FLOOR if turn.query == turn.asked else FLOOR  # what a follow-up is about was settled before
    for passage in turn.passages:
        if passage.sureness < floor:
            continue
        quotation = await _quotation(turn, passage)
        if quotation and not _was_said(turn, passage, quotation):
            turn.answer = Answer(_as_quoted(passage, quotation), "extract", sources=(source_of(passage),))
            return


def _was_said(turn: Turn, passage: Passage, text: str) -> bool:
    return turn.dialogue.last_answer in (text, _as_quoted(passage, text))


def _as_quoted(passage: Passage, quotation: str) -> str:
    return _("This is what “%(title)s” says:") % {"title": passage.title} + f"\n\n{quotation}"


async def _quotation(turn: Turn, passage: Passage) -> str:
    """An entry's answer is whole; of a document's passage, what fits; of one that was quoted just now, what fits the follow-up.

    In a thread: sentences are compared by their vectors.
    """
    is_known = _was_said(turn, passage, passage.text)
    if passage.kind == "entry" and not is_known:
        return passage.text
    limit = FEW_SENTENCES if is_known else SENTENCES
    return await asyncio.to_thread(best_sentences, turn.question, passage.text, limit, is_whole=not is_known)


async def tell_what_is_on_record(turn: Turn) -> None:
    """All that is known, and perhaps not what was asked: a person is offered with it."""
    if turn.record is None:
        return
    turn.answer = turn.record.answer
    if turn.on_record:
        offer = _("If this does not answer it, I can call a colleague for you.")
        turn.answer = replace(turn.answer, text=f"{turn.on_record}\n\n{offer}", open={"offer": "person"})


async def admit_unknown(turn: Turn) -> None:
    turn.answer = Answer(
        _("I do not know this for sure, and I do not want to guess. Shall I call a colleague for you?"),
        "unknown",
        open={"offer": "person"},
    )


async def give_up(turn: Turn) -> None:
    turn.answer = Answer(
        _("Something went wrong on my side. Shall I call a colleague for you?"),
        "unknown",
        open={"offer": "person"},
    )
