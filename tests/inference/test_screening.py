from __future__ import annotations

import random

import pytest

from inference.screening import EMPTY, Action, Lexicon, StreamScreen, Word, build, mask, verdict


def lexicon(*words: str, action: Action = Action.MASK) -> Lexicon:
    return build(Word(word, "test", action) for word in words)


def found(words: Lexicon, text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in words.scan(text)]


BAD = lexicon("法轮功", "枪支", "ass", "viagra", "操", "8964", "加微信", "free money")


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("听说法轮功吗", "法轮功"),
        ("法 轮 功", "法 轮 功"),
        ("法。轮。功", "法。轮。功"),
        ("法\u200b轮\u200d功", "法\u200b轮\u200d功"),
        ("法😀轮*功", "法😀轮*功"),
        ("法輪功", "法輪功"),
        ("买枪 支吗", "枪 支"),
        ("ＶＩＡＧＲＡ", "ＶＩＡＧＲＡ"),
        ("v i a g r a", "v i a g r a"),
        ("vi-ag-ra", "vi-ag-ra"),
        ("viagrа in Cyrillic", "viagrа"),
        ("viágra", "viágra"),
        ("a.s.s", "a.s.s"),
        ("you ass!", "ass"),
        ("买viagra吗", "viagra"),
        ("viagra100", "viagra100"[:6]),
        ("操", "操"),
        ("free  money", "free  money"),
        ("纪念8964的", "8964"),
    ],
)
def test_it_finds_a_word_however_it_is_spelled(text: str, spelling: str) -> None:
    assert found(BAD, text) == [spelling]


@pytest.mark.parametrize(
    "text",
    [
        "class",
        "as soon as possible",
        "cl\u200bass",
        "was s s",
        "他想买枪，支持一下",
        "操作指南在哪",
        "订单 89641",
        "A8964",
        "8 964 元",
        "via gratis",
        "法" + "-" * 40 + "轮功",
        "",
        "，。！",
    ],
)
def test_it_leaves_honest_text_alone(text: str) -> None:
    assert found(BAD, text) == []


def test_it_reports_offsets_of_the_original() -> None:
    (hit,) = BAD.scan("㍿请问 法·輪\u200b·功 吗")
    assert (hit.word, hit.category, hit.action) == ("法轮功", "test", Action.MASK)
    assert mask("㍿请问 法·輪\u200b·功 吗", [hit]) == "㍿请问 ****** 吗"


def test_it_drops_a_hit_inside_an_allowed_phrase_only_there() -> None:
    words = build([Word("博彩", "x", Action.BLOCK), Word("体育博彩公司", "x", Action.ALLOW)])
    assert found(words, "体育博彩公司说，博彩不好") == ["博彩"]
    assert words.scan("体育博彩公司")[:] == ()


def test_it_joins_overlapping_words_under_the_strongest_action() -> None:
    words = build([Word("甲乙丙", "mild", Action.MASK), Word("丙丁", "hard", Action.BLOCK)])
    (hit,) = words.scan("说甲乙丙丁了")
    assert (hit.start, hit.end, hit.category, hit.action) == (1, 5, "hard", Action.BLOCK)


def test_it_names_the_strongest_action() -> None:
    actions = {"甲甲": Action.MASK, "乙乙": Action.HAND_OVER, "丙丙": Action.BLOCK}
    words = build(Word(word, "", action) for word, action in actions.items())
    assert verdict(words.scan("甲甲 丙丙 乙乙")) is Action.HAND_OVER
    assert verdict(words.scan("甲甲 丙丙")) is Action.BLOCK
    assert verdict(words.scan("丁丁")) is None


def test_it_leaves_a_word_under_review_readable() -> None:
    words = lexicon("投诉", action=Action.REVIEW)
    hits = words.scan("我要投诉")
    assert verdict(hits) is Action.REVIEW
    assert mask("我要投诉", hits) == "我要投诉"


def test_it_tells_which_words_cannot_be_searched() -> None:
    words = lexicon("***", "", "毒品")
    assert words.ignored == ("***", "")
    assert len(words) == 1


def test_it_survives_broken_unicode() -> None:
    assert found(BAD, "法\ud800轮功") == ["法\ud800轮功"]


def test_it_finds_nothing_with_an_empty_lexicon() -> None:
    assert EMPTY.scan("法轮功") == ()
    assert StreamScreen(EMPTY).feed("法轮功") == "法轮功"


def streamed(words: Lexicon, pieces: list[str]) -> tuple[str, StreamScreen]:
    stream = StreamScreen(words)
    return "".join([stream.feed(piece) for piece in pieces] + [stream.finish()]), stream


TALK = (
    "您好，法 轮 功不谈。操作简单，操！class ass viagra， a.s.s via gra, free money 买枪，支持法輪功吗？"
    "v-i-a-g-r-a 加微 信，8964 和 89641。体育博彩公司与博彩。"
)


def test_it_masks_a_stream_like_a_whole_message_wherever_it_is_cut() -> None:
    forbidden = ("法轮功", "枪支", "ass", "viagra", "操", "8964", "加微信", "free money", "博彩")
    allowed = Word("体育博彩公司", "", Action.ALLOW)
    words = build([*(Word(word, "", Action.MASK) for word in forbidden), allowed])
    whole = words.scan(TALK)
    chance = random.Random(7)
    for _ in range(300):
        cuts = sorted(chance.sample(range(1, len(TALK)), chance.randint(0, 40)))
        pieces = [TALK[a:b] for a, b in zip([0, *cuts], [*cuts, len(TALK)], strict=True)]
        shown, stream = streamed(words, pieces)
        assert shown == mask(TALK, whole)
        assert stream.hits == whole


def test_it_never_shows_half_a_word_and_nothing_after_it() -> None:
    words = lexicon("法轮功", action=Action.BLOCK)
    stream = StreamScreen(words)
    shown = [stream.feed(piece) for piece in "你好。法-轮-功很好"]
    assert "".join(shown) == "你好。"
    assert stream.blocked
    assert stream.feed("无害") == "" and stream.finish() == ""
    assert [hit.word for hit in stream.hits] == ["法轮功"]


def test_it_releases_at_once_what_cannot_become_a_word() -> None:
    stream = StreamScreen(lexicon("法轮功"))
    assert stream.feed("方法") == "方"
    assert stream.feed("很多") == "法很多"


def test_it_does_not_hold_back_endless_separators() -> None:
    stream = StreamScreen(lexicon("法轮功"))
    assert stream.feed("法" + "-" * 100) == "法" + "-" * 100


def test_it_fails_closed() -> None:
    with pytest.raises(AttributeError):
        BAD.scan(None)  # type: ignore[arg-type]
