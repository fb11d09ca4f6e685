"""Names what is asked, and how surely, in well under a millisecond; `None` when it does not know.

model = load(train(examples))
model.predict("我的快递到哪了")  ->  Detected(intent="order_status", confidence=0.93, ...)
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from inference.features import FEATURES_VERSION, LONGEST_TEXT, count_features, weigh
from tenants.progress import Progress, unwatched

OUT_OF_SCOPE = "out_of_scope"
RECENT = 1000  # questions whose intent is remembered
# A wrong intent answers past the question, a refused one only costs a search
PRICE_OF_WRONG = 2.0

# onnxruntime's errors have no common ancestor of their own
RUNTIME_ERRORS = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.RuntimeException,
)


Chances = npt.NDArray[np.float32]


def _no_chances() -> Chances:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Detected:
    """`intent` is None where the question is out of scope or the model unsure; `best` is its guess anyway.

    `chances` are those of all the model's labels, in their order; empty where another model said it.
    """

    intent: str | None
    confidence: float
    best: str
    runner_up: str | None
    chances: Chances = field(default_factory=_no_chances, repr=False, compare=False)


@dataclass(frozen=True)
class Facts:
    """What a model says about itself; the figures are cross-validated.

    `accuracy` counts refused questions as wrong; `false_alarms` is the share of in-scope questions refused;
    `confusions` are (asked, taken for, how often), most frequent first.
    """

    labels: tuple[str, ...]
    out_of_scope_label: str
    temperature: float
    threshold: float
    counts: dict[str, int]
    accuracy: float
    out_of_scope_recall: float | None
    false_alarms: float
    confusions: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Report:
    """As `Facts`; `accuracy_unrefused` is the share of in-scope questions whose best guess is right."""

    examples: int
    accuracy: float
    accuracy_unrefused: float
    macro_f1: float
    out_of_scope_recall: float | None
    false_alarms: float
    confusions: tuple[tuple[str, str, int], ...]


class IntentModel:
    """A loaded model; safe to share between threads."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        facts: Facts,
        rows: dict[int, int],
        rarity: list[float],
        unseen: float,
    ) -> None:
        self.facts = facts
        places = {label: place for place, label in enumerate(facts.labels)}
        self._outside = places.get(facts.out_of_scope_label)
        self._session = session
        self._rows = rows
        self._rarity = rarity
        self._unseen = unseen
        self._recent = lru_cache(RECENT)(self._predict)  # visitors ask the same things over and over

    def predict(self, text: str) -> Detected:
        return self._recent(text[:LONGEST_TEXT])

    def _predict(self, text: str) -> Detected:
        vector = weigh(count_features(text), self._rows, self._rarity, self._unseen)
        inputs = {"rows": vector.rows, "weights": vector.weights}
        chances: Chances = self._session.run(None, inputs)[0]
        ranked: list[int] = chances.argsort(kind="stable")[::-1][:3].tolist()
        best, *others = [place for place in ranked if place != self._outside]
        labels, confidence = self.facts.labels, float(chances[best])
        is_sure = confidence >= self.facts.threshold and ranked[0] == best and len(vector.rows) > 0
        return Detected(
            labels[best] if is_sure else None,
            confidence,
            labels[best],
            labels[others[0]] if others else None,
            chances,
        )


@dataclass(frozen=True)
class Trained:
    """`second` is None where there are not two intents to tell apart by meaning."""

    quick: bytes
    second: bytes | None


def train_both(examples: Sequence[tuple[str, str]], *, progress: Progress = unwatched) -> Trained:
    """As `train`, and beside it the second opinion, for which every example is embedded: some milliseconds each."""
    from inference import second_training, training  # scikit-learn and onnx are for those who train

    quick = training.train(examples, progress=progress)
    return Trained(quick.onnx, second_training.train(examples, quick, progress=progress))


def train(
    examples: Sequence[tuple[str, str]],
    *,
    out_of_scope_label: str = OUT_OF_SCOPE,
    price_of_wrong: float = PRICE_OF_WRONG,
    progress: Progress = unwatched,
) -> bytes:
    """An ONNX model from `(text, intent)` pairs, in seconds; see `inference.training.train`.

    A wrong intent answers past the question, a refused one only costs a search: hence the price.
    """
    from inference import training  # scikit-learn and onnx are for those who train

    return training.train(
        examples, out_of_scope_label=out_of_scope_label, price_of_wrong=price_of_wrong, progress=progress
    ).onnx


def load(model: bytes) -> IntentModel:
    """Raises ValueError for a model that this version cannot read."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        stored = session.get_modelmeta().custom_metadata_map
        facts: dict[str, Any] = json.loads(stored["kefu"])
        features = np.frombuffer(base64.b64decode(stored["features"]), "<u4")
        rarity = np.frombuffer(base64.b64decode(stored["rarity"]), "<f4")
    except (KeyError, ValueError, *RUNTIME_ERRORS) as error:
        raise ValueError("This is not an intent model.") from error
    if facts["features_version"] != FEATURES_VERSION:
        raise ValueError("This intent model is of another version and must be trained again.")
    rows = {feature: row for row, feature in enumerate(features.tolist())}
    return IntentModel(session, _facts(facts), rows, rarity.tolist(), facts["unseen"])


def _facts(stored: dict[str, Any]) -> Facts:
    known = {name: stored[name] for name in Facts.__dataclass_fields__}
    known["labels"] = tuple(stored["labels"])
    known["confusions"] = pairs(stored["confusions"])
    return Facts(**known)


def pairs(rows: Iterable[Sequence[Any]]) -> tuple[tuple[str, str, int], ...]:
    return tuple((one, two, count) for one, two, count in rows)


Answered = tuple[str, Detected]  # the intent that was meant, and what was made of the question


def evaluate(model: IntentModel, examples: Sequence[tuple[str, str]]) -> Report:
    """How `model` does on `(text, intent)` pairs; its out-of-scope label marks what it should refuse."""
    answers = [(label, model.predict(text)) for text, label in examples]
    return report(answers, model.facts.out_of_scope_label)


def report(answers: Sequence[Answered], out_of_scope_label: str = OUT_OF_SCOPE) -> Report:
    inside = [(label, answer) for label, answer in answers if label != out_of_scope_label]
    outside = [answer for label, answer in answers if label == out_of_scope_label]
    wrong = Counter((label, answer.best) for label, answer in inside if answer.best != label)
    return Report(
        examples=len(answers),
        accuracy=_share(answer.intent == label for label, answer in inside),
        accuracy_unrefused=_share(answer.best == label for label, answer in inside),
        macro_f1=_macro_f1(
            [(label, answer.intent) for label, answer in answers], {label for label, _ in inside}
        ),
        out_of_scope_recall=_share(answer.intent is None for answer in outside) if outside else None,
        false_alarms=_share(answer.intent is None for _, answer in inside),
        confusions=pairs((one, two, count) for (one, two), count in wrong.most_common()),
    )


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def _macro_f1(answers: Sequence[tuple[str, str | None]], labels: set[str]) -> float:
    asked, named = Counter(one for one, _ in answers), Counter(two for _, two in answers)
    right = Counter(one for one, two in answers if one == two)
    return sum(2 * right[label] / (asked[label] + named[label]) for label in labels) / max(1, len(labels))
