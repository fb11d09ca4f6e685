"""Fewer bytes, and the same texts again."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from inference.packing import OWN_WORDS, pack, unpack
from kefu.dev.own_words import own_words


def test_it_gives_back_every_character_there_is() -> None:
    is_character = (code for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    everything = "".join(map(chr, is_character))
    assert unpack(pack(["", everything, "", ""])) == ["", everything, "", ""]


def test_it_packs_each_as_if_it_were_the_first() -> None:
    assert pack(["退货", "可以"]) == pack(["退货", "可以"])


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-1], lambda packed: packed[4:], lambda packed: b""]
)
def test_it_says_what_it_cannot_read(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match=r"damaged|cut off"):
        unpack(damage(pack(["退货", "可以"])))


def test_it_knows_what_the_bot_says_in_both_languages_and_nothing_of_the_admin() -> None:
    collected = own_words()
    assert "Shall I call a colleague for you?" in collected and "转人工" in collected
    assert "passages in a prompt" not in collected
    assert len(OWN_WORDS) < 32_768  # zlib forgets what is further away
