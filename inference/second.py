"""A second opinion on what the quick model is unsure of: it knows a question by its meaning, not by its letters.

It costs an embedding, some milliseconds, and is therefore asked in the worker lane alone.

second = load(blob)
second.settle(second.encoder.embed_question(question), quick.predict(question))  ->  Detected(...)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
import onnxruntime

from inference.intent import RUNTIME_ERRORS, Detected, pairs
from knowledge.embedding import Vectors
from knowledge.encoders import ENCODERS, Encoder

VERSION = 1
_LEAST = 1e-9  # a chance below which logarithms are not taken


@dataclass(frozen=True)
class Gate:
    """How sure an answer is: a logistic function of what speaks for it."""

    bias: float
    top: float  # of the best intent's log-chance
    nearest: float  # of the likeness to the nearest examples, a cosine
    outside: float  # of the quick model's chance that none of the intents is meant
    threshold: float  # below it nothing is named

    def confidence(self, top: float, nearest: float, outside: float) -> float:
        return 1 / (1 + exp(-self.bias - self.top * top - self.nearest * nearest - self.outside * outside))


@dataclass(frozen=True)
class Figures:
    """Cross-validated, as in `intent.Facts`."""

    accuracy: float
    accuracy_unrefused: float
    out_of_scope_recall: float | None
    false_alarms: float


@dataclass(frozen=True)
class SecondFacts:
    labels: tuple[str, ...]  # those in scope
    outside: int | None  # where the quick model's labels have that none of these is meant
    weight: float  # of the quick model in what both say together, 0 to 1
    ask_below: float  # the quick model's confidence under which it is worth asking
    asked: float  # the share of questions for which it was
    alone_gate: Gate
    both_gate: Gate
    alone: Figures
    together: Figures
    confusions: tuple[tuple[str, str, int], ...]  # of both together


class SecondOpinion:
    """A loaded model; safe to share between threads. `encoder` makes the vectors that it understands."""

    def __init__(self, session: onnxruntime.InferenceSession, facts: SecondFacts, encoder: Encoder) -> None:
        self.facts = facts
        self.encoder = encoder
        self._session = session

    def is_wanted(self, question: str, first: Detected) -> bool:
        is_unsure = first.intent is None or first.confidence < self.facts.ask_below
        return is_unsure and self.encoder.reads(question)

    def settle(self, vector: Vectors, first: Detected) -> Detected:
        """What both say together; `vector` is the question's embedding."""
        place = self.facts.outside
        outside = 0.0 if place is None else float(first.chances[place])
        chances = first.chances if place is None else np.delete(first.chances, place)
        _alone, together, nearest = self._ask(vector, np.log(np.maximum(chances, _LEAST)))
        return self._judged(together, nearest, outside, self.facts.both_gate)

    def alone(self, vector: Vectors) -> Detected:
        nothing_said = np.zeros(len(self.facts.labels), np.float32)
        alone, _together, nearest = self._ask(vector, nothing_said)
        return self._judged(alone, nearest, 0.0, self.facts.alone_gate)

    def _ask(self, vector: Vectors, first: Vectors) -> tuple[list[float], list[float], float]:
        alone, together, nearest = self._session.run(None, {"embedding": vector, "first": first})
        return alone.tolist(), together.tolist(), float(nearest.item())

    def _judged(self, chances: list[float], nearest: float, outside: float, gate: Gate) -> Detected:
        ranked = sorted(zip(chances, self.facts.labels, strict=True), reverse=True)
        (top, best), (_chance, runner_up) = ranked[:2]
        confidence = gate.confidence(log(max(top, _LEAST)), nearest, outside)
        intent = best if confidence >= gate.threshold else None
        return Detected(intent, confidence, best, runner_up)


def load(model: bytes) -> SecondOpinion:
    """Raises ValueError, with a sentence, for a model that this version cannot read."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        stored: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map["kefu_second"])
    except (KeyError, ValueError, *RUNTIME_ERRORS) as error:
        raise ValueError("This is not a second opinion.") from error
    encoder = ENCODERS.get(stored.pop("encoder"))
    if stored.pop("version") != VERSION or encoder is None:
        raise ValueError("This second opinion is of another version and must be trained again.")
    if not encoder.is_here():
        raise ValueError(f"This second opinion needs the encoder {encoder.name}, which is not here.")
    return SecondOpinion(session, _facts(stored), encoder)


def _facts(stored: dict[str, Any]) -> SecondFacts:
    gates = {name: Gate(**stored[name]) for name in ("alone_gate", "both_gate")}
    figures = {name: Figures(**stored[name]) for name in ("alone", "together")}
    lists = {"labels": tuple(stored["labels"]), "confusions": pairs(stored["confusions"])}
    return SecondFacts(**stored | gates | figures | lists)
