"""Turns for tests: a company without a row, a mind made to measure, and what was shown while the answer was made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from inference import pipeline, shared
from inference.dialogue import Dialogue
from inference.generation import ask_model
from inference.intent import Detected
from inference.mind import Mind
from inference.models import Connector, Intent, Provider, SensitiveWord
from inference.screening import Action, Lexicon, Word, build
from inference.turn import Lane, Rung, Turn
from knowledge import entries
from knowledge.models import Entry
from knowledge.retrieval import Passage
from tenants.models import Policy, Tenant
from tenants.redis import sync_redis

STEPS_AFTER_RETRIEVAL = pipeline.ANSWER[pipeline.ANSWER.index(ask_model) :]


def company(**policy: Any) -> Tenant:
    tenant = Tenant(schema_name="acme", name="Acme")
    Policy(tenant=tenant, **policy)
    return tenant


class NamesAlways:
    """An intent model that has made up its mind."""

    def __init__(self, intent: str | None) -> None:
        self.intent = intent

    def predict(self, text: str) -> Detected:
        return Detected(self.intent, 0.9, self.intent or "something", None)


def a_mind(
    *,
    words: dict[str, SensitiveWord.Action] | None = None,
    intent: Intent | None = None,
    connectors: tuple[Connector, ...] = (),
    known: tuple[Entry, ...] = (),
    providers: tuple[Provider, ...] = (),
) -> Mind:
    return Mind(
        lexicon=a_lexicon(**(words or {})),
        intent_model=NamesAlways(intent.name) if intent else None,
        intents={intent.name: intent} if intent else {},
        connectors={connector.name: connector for connector in connectors},
        entries=entries.build(known),
        providers=providers,
    )


def a_lexicon(**actions: str) -> Lexicon:
    return build(Word(word, "test", Action(action)) for word, action in actions.items())


def an_entry(question: str, answer: str, mode: str = "verbatim", pk: int = 1) -> Entry:
    return Entry(pk=pk, question=question, answer=answer, mode=mode, source_title=f"About {pk}")


def a_passage(text: str, title: str = "售后政策", sure: float = 0.9) -> Passage:
    return Passage("chunk", 1, title, "/help", "", text, score=1.0, dense=sure, lexical=sure)


@dataclass
class Shown:
    """What the visitor saw while the answer was being made."""

    text: str = ""

    async def add(self, piece: str) -> None:
        self.text += piece


def a_turn(question: str, mind: Mind | None = None, **fields: Any) -> Turn:
    turn = Turn(
        fields.pop("tenant", None) or company(),
        question,
        fields.pop("dialogue", Dialogue()),
        mind or a_mind(),
        fields.pop("lane", Lane.QUICK),
        fields.pop("locale", "en"),
    )
    for name, value in fields.items():
        setattr(turn, name, value)
    return turn


async def answered(question: str, mind: Mind | None = None, **fields: Any) -> Turn:
    turn = a_turn(question, mind, **fields)
    await pipeline.run(turn)
    return turn


async def answered_from(
    passages: tuple[Passage, ...], question: str, mind: Mind, seconds: float = 20, **fields: Any
) -> tuple[Turn, Shown]:
    """As if the passages had been retrieved: the steps from the model on."""
    shown = Shown()
    turn = a_turn(
        question,
        mind,
        lane=Lane.WORKER,
        rung=fields.pop("rung", Rung.FULL),
        passages=passages,
        emit=shown.add,
        **fields,
    )
    turn.query, turn.deadline = question, time.monotonic() + seconds
    await pipeline.search(turn, STEPS_AFTER_RETRIEVAL)
    return turn, shown


def wake_everything() -> None:
    """As if no business system had failed."""
    for key in sync_redis().scan_iter("kefu:{*}:connector:*"):
        shared.forget(key.decode())
