"""The encoder of English: how it cuts words, and when it is tried."""

from __future__ import annotations

from importlib import util

import numpy as np
import pytest

from knowledge import english, wordpiece
from knowledge.encoders import ENGLISH, MULTILINGUAL, for_texts

HELLO, COMMA, UN, AFF, ABLE, CAFE, UNKNOWN = 7592, 1010, 14477, 20961, 3468, 7668, 100
BEGINNING, END = 101, 102


def test_it_cuts_rare_words_into_the_pieces_of_bert() -> None:
    assert len(wordpiece.numbers()) == 30_522
    assert wordpiece.cut("Hello, unaffable Café") == [BEGINNING, HELLO, COMMA, UN, AFF, ABLE, CAFE, END]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_it_cuts_nothing_from_nothing(text: str) -> None:
    assert wordpiece.cut(text) == [BEGINNING, END]


def test_it_does_not_look_for_pieces_in_what_is_no_word() -> None:
    assert wordpiece.cut("x" * (wordpiece.LONGEST_WORD + 1)) == [BEGINNING, UNKNOWN, END]
    long = wordpiece.cut("hello " * 1000)
    assert len(long) == wordpiece.LONGEST and long[-1] == END


def test_its_vectors_are_of_unit_length_and_the_same_in_any_company() -> None:
    texts = [
        "Where is my parcel?",
        "hi",
        "",
        "I would like to have my money back, please, as soon as you can",
    ]
    vectors = english.embed(texts)
    assert vectors.shape == (4, english.DIMENSIONS) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ english.embed_question("where is my PARCEL?") > 0.98
    assert english.embed([]).shape == (0, english.DIMENSIONS)


def test_it_knows_what_means_the_same() -> None:
    refund, alike, other = english.embed(["I want a refund", "give me my cash back", "change my address"])
    assert refund @ alike > refund @ other


def test_it_reads_latin_letters_alone() -> None:
    assert english.reads("Où est mon colis? 12:30 😀")
    assert not english.reads("order 退款") and not english.reads("где посылка")


def test_it_is_tried_where_nearly_all_examples_are_english() -> None:
    assert for_texts(["my refund"] * 19 + ["退款"]) == [MULTILINGUAL, ENGLISH]
    assert for_texts(["my refund"] * 18 + ["退款"] * 2) == [MULTILINGUAL]


def test_it_is_not_tried_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    assert for_texts(["my refund"] * 20) == [MULTILINGUAL]
