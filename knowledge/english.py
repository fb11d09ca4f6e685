"""Sentence vectors of English alone: MiniLM tells English questions apart better than the encoder of many languages.

`manage.py model fetch --english` brings it; where it is missing, `is_here` says so and nothing else here may be called.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from django.conf import settings

from knowledge import wordpiece
from knowledge.embedding import Vectors, in_batches, of_questions

ENCODER_NAME = "all-minilm-l6-v2-int8"
DIMENSIONS = 384
_WEIGHTS, _PIECES = "model.onnx", "vocab.txt"
_LATIN_ENDS = 0x250  # the code point


def is_here() -> bool:
    return all((_folder() / name).is_file() for name in (_WEIGHTS, _PIECES))


def _folder() -> Path:
    return Path(settings.MODELS) / "english"


def reads(text: str) -> bool:
    """Whether all its letters are Latin; of others this encoder knows nothing."""
    return all(ord(letter) < _LATIN_ENDS for letter in text if letter.isalpha())


@cache
def _encoder() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_folder() / _WEIGHTS, options, providers=["CPUExecutionProvider"])


@cache
def _pieces() -> dict[str, int]:
    return wordpiece.read(_folder() / _PIECES)


def embed(texts: Sequence[str]) -> Vectors:
    """float32 of shape (len(texts), DIMENSIONS), each row of unit length."""
    return in_batches(texts, DIMENSIONS, _encode)


def _encode(texts: list[str]) -> Vectors:
    cut = [wordpiece.cut(text, _pieces()) for text in texts]
    numbers = np.zeros((len(cut), max(map(len, cut))), np.int64)
    for row, its in zip(numbers, cut, strict=True):
        row[: len(its)] = its
    is_piece = (numbers != 0).astype(np.int64)
    inputs = {
        "input_ids": numbers,
        "attention_mask": is_piece,
        "token_type_ids": np.zeros_like(numbers),
    }
    (states,) = _encoder().run(None, inputs)
    summed = (states * is_piece[:, :, np.newaxis].astype(np.float32)).sum(axis=1)
    return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True))


embed_question = of_questions(embed)
