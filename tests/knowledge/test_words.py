from __future__ import annotations

from knowledge.words import as_tsquery, as_tsvector, plain, words


def test_it_cuts_chinese_and_leaves_out_what_every_question_says() -> None:
    assert words("请问你们的退货政策是什么？") == ["退货", "政策"]


def test_it_reads_traditional_characters_like_simplified_ones() -> None:
    assert words("發票怎麼開") == words("发票怎么开")
    assert "发票" in words("發票怎麼開")


def test_it_ignores_width_case_and_invisible_characters() -> None:
    assert plain("ＡＫ－ＲＣ４０") == "ak-rc40"
    assert words("退\u200b货") == words("退货")


def test_it_finds_english_words_in_singular_and_plural() -> None:
    assert words("What are your return policies?") == ["return", "policy"]
    assert words("returns") == words("return")
    assert words("5G plans") == ["5g", "plan"]


def test_it_keeps_order_numbers_whole() -> None:
    assert "a20231" in words("查一下订单 A20231 到哪了")


def test_it_writes_a_tsvector_with_positions() -> None:
    assert as_tsvector(["退货", "政策", "退货"]) == "'退货':1,3 '政策':2"


def test_it_escapes_what_would_end_a_literal() -> None:
    assert as_tsquery(["o'neil", "a\\b"]) == "'o''neil' | 'a\\\\b'"


def test_it_asks_for_each_word_once() -> None:
    assert as_tsquery(["退货", "退货", "运费"]) == "'退货' | '运费'"


def test_it_gives_nothing_for_a_text_without_words() -> None:
    assert words("？！……") == []
    assert as_tsvector([]) == ""
