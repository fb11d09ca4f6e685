"""Trains an intent model: a linear classifier over `features`, written as a small ONNX graph.

Only training imports this module: scikit-learn and onnx stay out of the processes that answer.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from inference.features import FEATURES_VERSION, count_features, weigh
from inference.intent import OUT_OF_SCOPE, PRICE_OF_WRONG
from tenants.progress import Progress, unwatched

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_MANY_EXAMPLES = 5_000  # from here on, fewer folds are enough
_VERY_MANY_EXAMPLES = 20_000  # from here on, features seen once are dropped: most of the bytes
# What accepting all that is out of scope would cost, where naming every in-scope question rightly earns 1
_PRICE_OF_OUT_OF_SCOPE = 0.05
_LISTED_CONFUSIONS = 30


@dataclass(frozen=True)
class Table:
    """Examples as a matrix; `features` names its columns, `rarity` weighs them."""

    features: npt.NDArray[np.uint32]
    rarity: Floats
    unseen: float
    matrix: csr_matrix


@dataclass(frozen=True)
class Quick:
    """A trained model; `chances` (examples x labels) are those of models that did not see the example of fold `fold`."""

    onnx: bytes
    labels: list[str]
    fold: Integers
    chances: Floats
    threshold: float


@dataclass(frozen=True)
class Operation:
    """How scores become an answer, and how well that went on examples that were not trained on."""

    temperature: float
    threshold: float
    accuracy: float
    out_of_scope_recall: float | None
    false_alarms: float
    confusions: list[tuple[str, str, int]]


def train(
    examples: Sequence[tuple[str, str]],
    *,
    out_of_scope_label: str = OUT_OF_SCOPE,
    price_of_wrong: float = PRICE_OF_WRONG,
    progress: Progress = unwatched,
) -> Quick:
    """An ONNX model from `(text, label)` pairs; examples with `out_of_scope_label` teach what to refuse.

    `price_of_wrong`: how many right answers a wrong one outweighs; the higher, the more is refused.
    Raises ValueError where fewer than two labels have examples.
    """
    labels = sorted({label for _, label in examples})
    if len(labels) < 2:
        raise ValueError("An intent model needs examples of at least two intents.")
    table = _tabulate([text for text, _ in examples])
    truth = np.array([labels.index(label) for _, label in examples])
    fold = folds(truth)
    scores = _cross_validate(table.matrix, truth, len(labels), fold, progress)
    operation = _calibrate(scores, truth, labels, out_of_scope_label, price_of_wrong)
    weights, bias = _fit(table.matrix, truth, len(labels))
    graph = _graph(weights / operation.temperature, bias / operation.temperature)
    onnx = _package(graph, table, operation, labels, examples, out_of_scope_label)
    return Quick(onnx, labels, fold, softmax(scores / operation.temperature), operation.threshold)


def _tabulate(texts: Sequence[str]) -> Table:
    counts = [count_features(text) for text in texts]
    spread = Counter(feature for one in counts for feature in one)
    least = 2 if len(texts) >= _VERY_MANY_EXAMPLES else 1
    features = np.array(sorted(f for f, n in spread.items() if n >= least), np.uint32)
    seen_in = np.array([spread[int(feature)] for feature in features])
    rarity = np.sqrt(np.log((1 + len(texts)) / (1 + seen_in)) + 1)
    unseen = float(np.sqrt(np.log(1 + len(texts)) + 1))
    rows = {int(feature): row for row, feature in enumerate(features)}
    vectors = [weigh(one, rows, rarity.tolist(), unseen) for one in counts]
    ends = np.cumsum([0, *(len(vector.rows) for vector in vectors)])
    data = np.concatenate([vector.weights for vector in vectors])
    places = np.concatenate([vector.rows for vector in vectors])
    return Table(
        features, rarity, unseen, csr_matrix((data, places, ends), shape=(len(texts), len(features)))
    )


def _fit(matrix: csr_matrix, truth: Integers, classes: int) -> tuple[Floats, Floats]:
    """Weights (features x classes) and bias (classes); a class without examples scores like a clear no."""
    machine = LinearSVC(C=1.0, random_state=0).fit(matrix, truth)
    found, coefficients, intercept = machine.classes_, machine.coef_, machine.intercept_
    if len(found) == 2:
        coefficients, intercept = np.vstack([-coefficients, coefficients]), np.append(-intercept, intercept)
    weights, bias = np.zeros((matrix.shape[1], classes)), np.full(classes, -1.0)
    weights[:, found], bias[found] = coefficients.T, intercept
    return weights, bias


def folds(truth: Integers) -> Integers:
    """In which part each example is held back; the examples of every class are spread over all parts."""
    order = np.random.default_rng(0).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    fold = np.empty(len(truth), int)
    fold[order] = np.arange(len(truth)) % (3 if len(truth) >= _MANY_EXAMPLES else 5)
    return fold


def _cross_validate(
    matrix: csr_matrix, truth: Integers, classes: int, fold: Integers, progress: Progress
) -> Floats:
    """Scores (examples x classes), each from a model that did not see the example."""
    scores = np.zeros((len(truth), classes))
    for number in range(fold.max() + 1):
        progress("cross_validate", number, fold.max() + 1)
        held = fold == number
        if len(set(truth[~held])) > 1 and held.any():
            weights, bias = _fit(matrix[~held], truth[~held], classes)
            scores[held] = matrix[held] @ weights + bias
    return scores


def softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def temperature_for(scores: Floats, truth: Integers) -> float:
    """The divisor of scores under which the softmax is most honest about its certainty."""

    def surprise(exponent: float) -> float:
        chosen = softmax(scores / np.exp(exponent))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-4, 2), method="bounded").x))


def _calibrate(
    scores: Floats, truth: Integers, labels: list[str], out_of_scope_label: str, price_of_wrong: float
) -> Operation:
    temperature = temperature_for(scores, truth)
    outside = labels.index(out_of_scope_label) if out_of_scope_label in labels else -1
    is_inside = truth != outside
    best, confidence = judge(softmax(scores / temperature), outside)
    right = best == truth
    threshold = threshold_for(confidence, right, is_inside, price_of_wrong)
    accepted = confidence >= threshold
    return Operation(
        temperature,
        threshold,
        accuracy=float((right & accepted)[is_inside].mean()),
        out_of_scope_recall=float((~accepted)[~is_inside].mean()) if outside >= 0 else None,
        false_alarms=float((~accepted)[is_inside].mean()),
        confusions=confusions_of(truth[is_inside & ~right], best[is_inside & ~right], labels),
    )


def judge(chances: Floats, outside: int) -> tuple[Integers, Floats]:
    """The best class in scope, and how sure it is: not at all where being out of scope is likelier."""
    inside = chances.copy()
    if outside >= 0:
        inside[:, outside] = 0
    refused = (chances.argmax(axis=1) == outside) & (outside >= 0)
    return inside.argmax(axis=1), np.where(refused, 0.0, inside.max(axis=1))


def threshold_for(confidence: Floats, right: Booleans, is_inside: Booleans, price_of_wrong: float) -> float:
    """The confidence below which it is cheaper to refuse than to risk being wrong."""
    inside, outside = is_inside.sum(), max(1, (~is_inside).sum())
    price = np.where(right, -1.0, price_of_wrong) / inside
    price[~is_inside] = _PRICE_OF_OUT_OF_SCOPE / outside

    def cost(threshold: float) -> float:
        return float(price[confidence >= threshold].sum())

    return float(min(np.linspace(0.0, 0.95, 96), key=cost))


def confusions_of(truth: Integers, guess: Integers, labels: list[str]) -> list[tuple[str, str, int]]:
    pairs = Counter(zip(truth.tolist(), guess.tolist(), strict=True))
    return [(labels[one], labels[two], count) for (one, two), count in pairs.most_common(_LISTED_CONFUSIONS)]


def _graph(weights: Floats, bias: Floats) -> onnx.GraphProto:
    """softmax(weights of the rows @ those rows of the matrix + bias), rows kept in half precision."""
    constants: dict[str, npt.NDArray[Any]] = {
        "matrix": weights.astype(np.float16),
        "bias": bias.astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["matrix", "rows"], ["gathered"]),
        helper.make_node("Cast", ["gathered"], ["known"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["weights", "known"], ["summed"]),
        helper.make_node("Add", ["summed", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["chances"], axis=-1),
    ]
    return helper.make_graph(
        nodes,
        "intent",
        [
            helper.make_tensor_value_info("rows", TensorProto.INT64, ["known"]),
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["known"]),
        ],
        [helper.make_tensor_value_info("chances", TensorProto.FLOAT, [len(bias)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _package(
    graph: onnx.GraphProto,
    table: Table,
    operation: Operation,
    labels: list[str],
    examples: Sequence[tuple[str, str]],
    out_of_scope_label: str,
) -> bytes:
    model = helper.make_model(
        graph, producer_name="kefu", ir_version=9, opset_imports=[helper.make_opsetid("", 17)]
    )
    facts = {
        "labels": labels,
        "out_of_scope_label": out_of_scope_label,
        "features_version": FEATURES_VERSION,
        "temperature": operation.temperature,
        "threshold": operation.threshold,
        "unseen": table.unseen,
        "accuracy": operation.accuracy,
        "out_of_scope_recall": operation.out_of_scope_recall,
        "false_alarms": operation.false_alarms,
        "confusions": operation.confusions,
        "counts": Counter(label for _, label in examples),
    }
    arrays = {"features": table.features.astype("<u4"), "rarity": table.rarity.astype("<f4")}
    helper.set_model_props(
        model,
        {"kefu": json.dumps(facts, ensure_ascii=False)}
        | {name: base64.b64encode(array.tobytes()).decode() for name, array in arrays.items()},
    )
    return bytes(model.SerializeToString())
