"""What an intent model sees of a question: short runs of characters, and words.

Features are named by the CRC-32 of their text, which is the same in every process and on every machine.
A change here must raise `FEATURES_VERSION`: a model only understands the features that it was trained on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt
from zlib import crc32

import numpy as np
import numpy.typing as npt
import rjieba

from inference.normalise import fold

FEATURES_VERSION = 1

LONGEST_TEXT = 200  # characters; what comes later in a long message says little about its intent
_LONGEST_RUN = 3
_APART = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Vector:
    """A sparse row: `weights[i]` stands in column `rows[i]`."""

    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


def count_features(text: str) -> Counter[int]:
    """How often each feature occurs in `text`; nothing for a text without letters and digits."""
    plain = _APART.sub(" ", fold(text[:LONGEST_TEXT])).strip()
    if not plain:
        return Counter()
    return Counter(crc32(feature.encode()) for feature in [*_runs(f" {plain} "), *_words(plain)])


def _runs(text: str) -> list[str]:
    return [
        text[start : start + size]
        for size in range(1, _LONGEST_RUN + 1)
        for start in range(len(text) - size + 1)
    ]


def _words(text: str) -> list[str]:
    """Words, and pairs of Latin words; the mark in front keeps them apart from runs."""
    words = [word for word in rjieba.cut(text) if word != " "]
    pairs = [f"\0{one} {two}" for one, two in pairwise(words) if one.isascii() and two.isascii()]
    return ["\0" + word for word in words] + pairs


def weigh(
    counts: Mapping[int, int], rows: Mapping[int, int], weights: Sequence[float], unseen: float
) -> Vector:
    """The features a model knows, as rows of its matrix, damped and scaled to length 1.

    `weights` holds each row's rarity, `unseen` that of features never met in training: these have no row, but
    count in the length, so that a question made of strange parts looks weak rather than sure.
    """
    places: list[int] = []
    values: list[float] = []
    square = 0.0
    for feature, count in counts.items():
        row = rows.get(feature)
        value = (1.0 + log(count) if count > 1 else 1.0) * (unseen if row is None else weights[row])
        square += value * value
        if row is not None:
            places.append(row)
            values.append(value)
    length = sqrt(square) or 1.0
    return Vector(np.array(places, np.int64), np.array(values, np.float32) / np.float32(length))
