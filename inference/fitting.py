"""Draws the lines between intents in the space of their embeddings. Only training imports this module."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve
from sklearn.linear_model import LogisticRegression

from inference.training import Floats, Integers
from knowledge.embedding import Vectors

CLOSE = 2.0  # how quickly closeness fades
_RIDGE = 0.1  # how little an example may be believed alone
_MUCH_LESS = 5.0  # by how much a class without examples scores below the others


@dataclass(frozen=True)
class Fitted:
    """Scores of a question: `weights` of its vector, or of its closeness to each of the examples that are `known`.

    Closeness bends around the examples, which few examples need; many draw the same line by themselves, and
    comparing each with each of them would take minutes.
    """

    is_close: bool
    weights: Floats  # (dimensions, or examples) x classes
    bias: Floats
    known: Vectors

    def scores(self, vectors: Vectors) -> Floats:
        seen = closeness_of(vectors, self.known) if self.is_close else vectors
        return np.asarray(seen @ self.weights + self.bias)


def closeness_of(vectors: Vectors, known: Vectors) -> Vectors:
    """From exp(-2 * CLOSE) to 1, as the graph takes it: a Gaussian of the distance, the vectors being of length 1."""
    likeness = vectors @ known.T
    return np.asarray(np.exp(CLOSE * (likeness - 1), out=likeness))


def fit(vectors: Vectors, truth: Integers, classes: int, is_close: bool) -> Fitted:
    if is_close:
        closeness = closeness_of(vectors, vectors)
        closeness[np.diag_indices_from(closeness)] += _RIDGE
        wanted = np.eye(classes, dtype=np.float32)[truth]
        weights = solve(closeness, wanted, assume_a="pos", overwrite_a=True)
        return Fitted(True, np.asarray(weights), np.zeros(classes), vectors)
    weights, bias = _straight(vectors, truth, classes)
    return Fitted(False, weights, bias, vectors)


def _straight(vectors: Vectors, truth: Integers, classes: int) -> tuple[Floats, Floats]:
    """Weights (dimensions x classes) and bias (classes)."""
    found = np.unique(truth)
    machine = LogisticRegression(C=30.0, max_iter=200).fit(vectors, truth)
    coefficients, intercept = machine.coef_, machine.intercept_
    if len(found) == 2:
        coefficients, intercept = (
            np.vstack([-coefficients, coefficients]) / 2,
            np.append(-intercept, intercept) / 2,
        )
    weights, bias = np.zeros((vectors.shape[1], classes)), np.full(classes, intercept.min() - _MUCH_LESS)
    weights[:, found], bias[found] = coefficients.T, intercept
    return weights, bias
