"""What the company's own documents say, and what to say where they say nothing."""

from __future__ import annotations

import asyncio

from django.utils.translation import gettext as _

from inference.business import FOLLOW_UP
from inference.manners import source_of
from inference.turn import Answer, Turn
from knowledge.extract import best_sentences
from knowledge.retrieval import SURE_FLOOR, Passage, retrieve
from tenants.context import database_call

SHORT = 6  # characters up to which a question is taken to lean on the one before


async def retrieve_passages(turn: Turn) -> None:
    turn.query = self_contained(turn)
    policy = turn.tenant.policy
    passages = await database_call(
        turn.tenant, retrieve, turn.query, limit=policy.passages, dense_weight=policy.dense_weight
    )
    turn.passages = tuple(passages)
    turn.note(query=turn.query, passages=[_noted(passage) for passage in passages])


def self_contained(turn: Turn) -> str:
    """The question with the one it follows on, where it cannot be understood alone ("那运费谁出？")."""
    before = turn.dialogue.last_question
    follows = before and (len(turn.question) <= SHORT or FOLLOW_UP.search(turn.question))
    return f"{before} {turn.question}" if follows else turn.question


def _noted(passage: Passage) -> dict[str, object]:
    return {
        "kind": passage.kind,
        "id": passage.id,
        "title": passage.title,
        "sureness": round(passage.sureness, 3),
    }


async def quote_passage(turn: Turn) -> None:
    """The sentences of the best passage that fit the question, as they stand; never the same ones twice in a row."""
    for passage in turn.passages:
        if passage.sureness < SURE_FLOOR:
            continue
        text = await _quotation(turn.question, passage)
        if text and text != turn.dialogue.last_answer:
            turn.answer = Answer(text, "extract", sources=(source_of(passage),))
            return


async def _quotation(question: str, passage: Passage) -> str:
    """An entry's answer is whole; of a document's passage, what fits. In a thread: sentences are compared by their vectors."""
    if passage.kind == "entry":
        return passage.text
    return await asyncio.to_thread(best_sentences, question, passage.text)


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
