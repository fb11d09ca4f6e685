"""The encoder of English: how it cuts words, and when it is tried. A small one stands in for it, which knows words and no meanings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from knowledge import english, wordpiece
from knowledge.encoders import ENGLISH, MULTILINGUAL, for_texts
from tests.onnx_models import make_encoder

PIECES = ["hello", ",", "un", "##aff", "##able", "cafe", "refund", "my", "parcel", "where", "is"]
KNOWN = {piece: number for number, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *PIECES])}
UNKNOWN, BEGINNING, END = 1, 2, 3


@pytest.fixture
def small(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.MODELS = tmp_path
    yield make_encoder(tmp_path / "english", PIECES)
    for kept in (english._encoder, english._pieces):
        kept.cache_clear()


def test_it_cuts_rare_words_into_pieces() -> None:
    found = wordpiece.cut("Hello, unaffable Café", KNOWN)
    assert found == [BEGINNING, *(KNOWN[one] for one in ("hello", ",", "un", "##aff", "##able", "cafe")), END]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_it_cuts_nothing_from_nothing(text: str) -> None:
    assert wordpiece.cut(text, KNOWN) == [BEGINNING, END]


def test_it_does_not_look_for_pieces_in_what_is_no_word() -> None:
    assert wordpiece.cut("x" * (wordpiece.LONGEST_WORD + 1), KNOWN) == [BEGINNING, UNKNOWN, END]
    assert wordpiece.cut("unaffably", KNOWN) == [BEGINNING, UNKNOWN, END]
    long = wordpiece.cut("hello " * 1000, KNOWN)
    assert len(long) == wordpiece.LONGEST and long[-1] == END


def test_its_vectors_are_of_unit_length_and_the_same_in_any_company(small: Path) -> None:
    vectors = english.embed(["Where is my parcel?", "hello", "", "my refund, my refund, my refund"])
    assert vectors.shape == (4, english.DIMENSIONS) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ english.embed_question("where is my PARCEL?") > 0.98
    assert vectors[0] @ vectors[1] < 0.5
    assert english.embed([]).shape == (0, english.DIMENSIONS)


def test_it_reads_latin_letters_alone() -> None:
    assert english.reads("Où est mon colis? 12:30 😀")
    assert not english.reads("order 退款") and not english.reads("где посылка")


def test_it_is_tried_where_nearly_all_examples_are_english(small: Path) -> None:
    assert for_texts(["my refund"] * 19 + ["退款"]) == [MULTILINGUAL, ENGLISH]
    assert for_texts(["my refund"] * 18 + ["退款"] * 2) == [MULTILINGUAL]


@pytest.mark.parametrize("missing", ["model.onnx", "vocab.txt"])
def test_it_is_not_tried_where_a_part_of_it_is_missing(small: Path, missing: str) -> None:
    (small / missing).unlink()
    assert for_texts(["my refund"] * 20) == [MULTILINGUAL]
