"""Trains the second opinion: kernel ridge or logistic regression over embeddings, weighed together with the quick model.

Each encoder that can read the examples is tried, with straight lines between intents and with bent ones, and what names
more of them rightly is kept. Every figure and every choice comes from examples that were held back, in the same folds
as the quick model's. Only training imports this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from inference.fitting import CLOSE, Fitted, fit
from inference.intent import OUT_OF_SCOPE, PRICE_OF_WRONG
from inference.second import VERSION, Figures, Gate, SecondFacts
from inference.training import (
    Booleans,
    Floats,
    Integers,
    Quick,
    confusions_of,
    judge,
    softmax,
    temperature_for,
    threshold_for,
)
from knowledge import encoders
from knowledge.embedding import Vectors
from knowledge.encoders import Encoder
from tenants.progress import Progress, unwatched

_FEW = 5_000  # examples, of which each may be compared with each
_NEAREST = 5  # examples whose likeness counts
_KEPT = 20_000  # examples, of which the nearest are sought; 1 KB each
_BATCH = 512
_LEAST = 1e-9
_SHARE_OF_OUTSIDE = 0.25  # of a gate's attention, however few examples are out of scope
_WORTH_ASKING = 0.002  # of the questions, named rightly

Cascade = Callable[[float], tuple[Booleans, Integers, Booleans]]


def train(
    examples: Sequence[tuple[str, str]],
    quick: Quick,
    *,
    out_of_scope_label: str = OUT_OF_SCOPE,
    progress: Progress = unwatched,
) -> bytes | None:
    """An ONNX model from the `(text, label)` pairs that `quick` was trained with; None for fewer than two intents."""
    labels = [label for label in quick.labels if label != out_of_scope_label]
    if len(labels) < 2:
        return None
    texts = [text for text, _label in examples]
    tried = encoders.for_texts(texts)
    embedded = [
        _embedded(encoder, texts, _part(progress, place, len(tried))) for place, encoder in enumerate(tried)
    ]
    named = np.array([label for _text, label in examples])
    ways = [
        (encoder, vectors, is_close)
        for encoder, vectors in zip(tried, embedded, strict=True)
        for is_close in ((False, True) if len(texts) <= _FEW else (False,))
    ]
    # With more threads than cores of its own, linear algebra waits for itself.
    with threadpool_limits(1):
        made = [
            _train(*way, named, labels, quick, out_of_scope_label, _part(progress, place, len(ways)))
            for place, way in enumerate(ways)
        ]
    _right, best = max(made, key=lambda one: one[0])
    return best


def _part(progress: Progress, place: int, count: int) -> Progress:
    """The progress of one of `count` equal parts."""
    return lambda what, done, total: progress(what, place * total + done, count * total)


@dataclass(frozen=True)
class Held:
    """What models that did not see an example said of it, a row for each; chances are logarithms, of the intents in scope."""

    truth: Integers  # -1: out of scope
    meant: Floats  # by meaning
    both: Floats  # by meaning and by the quick model
    nearest: Floats  # likeness to the nearest examples
    outside: Floats  # the quick model's chance that none of the intents is meant
    temperature: float  # of the scores by meaning
    weight: float  # of the quick model in `both`


def _train(
    encoder: Encoder,
    vectors: Vectors,
    is_close: bool,
    named: npt.NDArray[np.str_],
    labels: list[str],
    quick: Quick,
    out_of_scope_label: str,
    progress: Progress,
) -> tuple[float, bytes]:
    """How many of the examples in scope were named rightly, as a share, and the model."""
    truth = np.array([labels.index(label) if label != out_of_scope_label else -1 for label in named])
    place = quick.labels.index(out_of_scope_label) if out_of_scope_label in quick.labels else None
    held = _held(vectors, truth, labels, is_close, quick, place, progress)
    inside = np.zeros(len(truth))  # by meaning alone nothing speaks for being out of scope
    alone_gate = _gate(held.meant, held.nearest, inside, truth)
    both_gate = _gate(held.both, held.nearest, held.outside, truth)
    sure_alone = _confidence(alone_gate, held.meant, held.nearest, inside) >= alone_gate.threshold
    cascade = _cascade(held, both_gate, labels, quick, place)
    ask_below = _ask_below(cascade, truth)
    asked, best, accepted = cascade(ask_below)
    wrong = (truth >= 0) & (best != truth)
    facts = SecondFacts(
        labels=tuple(labels),
        outside=place,
        weight=held.weight,
        ask_below=ask_below,
        asked=float(asked.mean()),
        alone_gate=alone_gate,
        both_gate=both_gate,
        alone=_figures(held.meant.argmax(axis=1), sure_alone, truth),
        together=_figures(best, accepted, truth),
        confusions=tuple(confusions_of(truth[wrong], best[wrong], labels)),
    )
    fitted = fit(vectors[truth >= 0], truth[truth >= 0], len(labels), is_close)
    graph = _graph(fitted, held.temperature, held.weight)
    return facts.together.accuracy_unrefused, _package(graph, facts, encoder)


def _held(
    vectors: Vectors,
    truth: Integers,
    labels: list[str],
    is_close: bool,
    quick: Quick,
    place: int | None,
    progress: Progress,
) -> Held:
    """`place`: of being out of scope among the quick model's labels."""
    scores, nearest = _cross_validate(vectors, truth, len(labels), is_close, quick.fold, progress)
    # Ridge scores are no logarithms of chances; those of the logistic regression are.
    temperature = temperature_for(scores[truth >= 0], truth[truth >= 0]) if is_close else 1.0
    meant = np.log(np.maximum(softmax(scores / temperature), _LEAST))
    said = np.log(np.maximum(quick.chances[:, [quick.labels.index(label) for label in labels]], _LEAST))
    weight = _weight(said, meant, truth)
    both = np.log(np.maximum(softmax(weight * said + (1 - weight) * meant), _LEAST))
    outside = np.zeros(len(truth)) if place is None else quick.chances[:, place]
    return Held(truth, meant, both, nearest, outside, temperature, weight)


def _cascade(held: Held, gate: Gate, labels: list[str], quick: Quick, place: int | None) -> Cascade:
    """By the confidence of the quick model below which the second is asked: whether it is, what is named in the end, and whether that is
    accepted."""
    chosen, sure = judge(quick.chances, -1 if place is None else place)
    first = np.array([labels.index(quick.labels[one]) for one in chosen])
    together = held.both.argmax(axis=1)
    accepted = _confidence(gate, held.both, held.nearest, held.outside) >= gate.threshold

    def cascade(ask_below: float) -> tuple[Booleans, Integers, Booleans]:
        asked = sure < max(ask_below, quick.threshold)
        return asked, np.where(asked, together, first), np.where(asked, accepted, True)

    return cascade


def _embedded(encoder: Encoder, texts: Sequence[str], progress: Progress) -> Vectors:
    parts = []
    for start in range(0, len(texts), _BATCH):
        progress("embed", start, len(texts))
        parts.append(encoder.embed(texts[start : start + _BATCH]))
    return np.concatenate(parts)


def _cross_validate(
    vectors: Vectors, truth: Integers, classes: int, is_close: bool, fold: Integers, progress: Progress
) -> tuple[Floats, Floats]:
    """Scores (examples x classes) and likeness to the nearest, each from examples in scope of other folds."""
    scores, nearest = np.zeros((len(truth), classes)), np.zeros(len(truth))
    for number in range(fold.max() + 1):
        progress("cross_validate_meaning", number, fold.max() + 1)
        held, known = fold == number, (fold != number) & (truth >= 0)
        if len(set(truth[known])) > 1 and held.any():
            fitted = fit(vectors[known], truth[known], classes, is_close)
            scores[held] = fitted.scores(vectors[held])
        if held.any() and known.any():
            nearest[held] = _nearest(vectors[held], _kept(vectors[known]))
    return scores, nearest


def _nearest(vectors: Vectors, known: Vectors) -> Floats:
    """The mean cosine to the few nearest of `known`, as the graph takes it."""
    count = min(_NEAREST, len(known))
    found = []
    for start in range(0, len(vectors), _BATCH):
        likeness = vectors[start : start + _BATCH] @ known.T
        found.append(np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1))
    return np.concatenate(found)


def _kept(vectors: Vectors) -> Vectors:
    if len(vectors) <= _KEPT:
        return vectors
    return vectors[np.random.default_rng(0).choice(len(vectors), _KEPT, replace=False)]


def _weight(said: Floats, meant: Floats, truth: Integers) -> float:
    """How much the quick model counts, so that both together are least surprised by the truth."""
    inside = truth >= 0

    def surprise(weight: float) -> float:
        mixed = (weight * said + (1 - weight) * meant)[inside]
        chosen = softmax(mixed / temperature_for(mixed, truth[inside]))[
            np.arange(inside.sum()), truth[inside]
        ]
        return float(-np.log(np.maximum(chosen, _LEAST)).mean())

    return float(min(np.linspace(0.0, 1.0, 11), key=surprise))


def _signs(chances: Floats, nearest: Floats, outside: Floats) -> Floats:
    """What speaks for an answer, or against it, a row for each question; `chances` are logarithms."""
    return np.column_stack([chances.max(axis=1), nearest, outside])


def _gate(chances: Floats, nearest: Floats, outside: Floats, truth: Integers) -> Gate:
    right = (chances.argmax(axis=1) == truth) & (truth >= 0)
    if right.all() or not right.any():
        return Gate(0.0, 1.0, 0.0, 0.0, 0.0)
    weights = np.ones(len(truth))
    if (truth < 0).any():
        weights[truth < 0] = max(1.0, _SHARE_OF_OUTSIDE * (truth >= 0).sum() / (truth < 0).sum())
    machine = LogisticRegression(C=10.0, max_iter=1000).fit(
        _signs(chances, nearest, outside), right, sample_weight=weights
    )
    top, near, out = machine.coef_[0].tolist()
    gate = Gate(float(machine.intercept_[0]), top, near, out, 0.0)
    confidence = _confidence(gate, chances, nearest, outside)
    threshold = threshold_for(confidence, right, truth >= 0, PRICE_OF_WRONG)
    return Gate(gate.bias, gate.top, gate.nearest, gate.outside, threshold)


def _confidence(gate: Gate, chances: Floats, nearest: Floats, outside: Floats) -> Floats:
    weighed = _signs(chances, nearest, outside) @ np.array([gate.top, gate.nearest, gate.outside])
    return np.asarray(1 / (1 + np.exp(-gate.bias - weighed)))


def _ask_below(cascade: Cascade, truth: Integers) -> float:
    """The least confidence of the quick model at which asking again would gain next to nothing."""
    inside = truth >= 0

    def worth(ask_below: float) -> float:
        _asked, best, accepted = cascade(ask_below)
        right = best == truth
        return float((right & accepted)[inside].mean() - PRICE_OF_WRONG * (~right & accepted)[inside].mean())

    steps = np.linspace(0.0, 1.0, 51)
    reached = [worth(step) for step in steps]
    enough = max(reached) - _WORTH_ASKING
    return float(next(step for step, value in zip(steps, reached, strict=True) if value >= enough))


def _figures(best: Integers, accepted: Booleans, truth: Integers) -> Figures:
    inside = truth >= 0
    return Figures(
        accuracy=float(((best == truth) & accepted)[inside].mean()),
        accuracy_unrefused=float((best == truth)[inside].mean()),
        out_of_scope_recall=float((~accepted)[~inside].mean()) if (~inside).any() else None,
        false_alarms=float((~accepted)[inside].mean()),
    )


def _graph(fitted: Fitted, temperature: float, weight: float) -> onnx.GraphProto:
    """Chances by meaning, chances by both together, and the likeness to the nearest examples."""
    known, classes, floats = _kept(fitted.known), len(fitted.bias), TensorProto.FLOAT
    constants: dict[str, npt.NDArray[Any]] = {
        "matrix": (fitted.weights / temperature).astype(np.float32),
        "bias": (fitted.bias / temperature).astype(np.float32),
        "weight": np.array(weight, np.float32),
        "rest": np.array(1 - weight, np.float32),
        "stored": np.ascontiguousarray(known.T.astype(np.float16)),
        "count": np.array([min(_NEAREST, len(known))], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["stored"], ["known"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["embedding", "known"], ["likeness"]),
        *_seen(fitted.is_close),
        helper.make_node("MatMul", ["seen", "matrix"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["alone"], axis=-1),
        helper.make_node("LogSoftmax", ["scores"], ["meant"], axis=-1),
        helper.make_node("Mul", ["first", "weight"], ["first_part"]),
        helper.make_node("Mul", ["meant", "rest"], ["second_part"]),
        helper.make_node("Add", ["first_part", "second_part"], ["mixed"]),
        helper.make_node("Softmax", ["mixed"], ["together"], axis=-1),
        helper.make_node("TopK", ["likeness", "count"], ["highest", "places"]),
        helper.make_node("ReduceMean", ["highest"], ["nearest"], axes=[0], keepdims=0),
    ]
    return helper.make_graph(
        nodes,
        "second",
        [
            helper.make_tensor_value_info("embedding", floats, [known.shape[1]]),
            helper.make_tensor_value_info("first", floats, [classes]),
        ],
        [
            helper.make_tensor_value_info("alone", floats, [classes]),
            helper.make_tensor_value_info("together", floats, [classes]),
            helper.make_tensor_value_info("nearest", floats, []),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _seen(is_close: bool) -> list[onnx.NodeProto]:
    """Of a question: its vector, or its closeness to each example, as in `fitting.closeness_of`."""
    if not is_close:
        return [helper.make_node("Identity", ["embedding"], ["seen"])]
    return [
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Constant", [], ["fading"], value_float=CLOSE),
        helper.make_node("Sub", ["likeness", "one"], ["distance"]),
        helper.make_node("Mul", ["distance", "fading"], ["faded"]),
        helper.make_node("Exp", ["faded"], ["seen"]),
    ]


def _package(graph: onnx.GraphProto, facts: SecondFacts, encoder: Encoder) -> bytes:
    model = helper.make_model(
        graph, producer_name="kefu", ir_version=9, opset_imports=[helper.make_opsetid("", 17)]
    )
    stored = asdict(facts) | {"version": VERSION, "encoder": encoder.name}
    helper.set_model_props(model, {"kefu_second": json.dumps(stored, ensure_ascii=False)})
    return bytes(model.SerializeToString())
