"""What a look-up needs is found where a visitor would have said it."""

from __future__ import annotations

from datetime import date

import pytest

from inference import slots
from inference.days import day_in
from inference.dialogue import Dialogue, after

FRIDAY = date(2026, 11, 27)
NUMBER = {"number": {"kind": "pattern", "pattern": r"[A-Za-z]\d{5}", "ask": "?", "upper": True}}


def of(kind: str, text: str, **fields: object) -> str:
    return slots.in_text({"it": {"kind": kind, **fields}}, text, FRIDAY).get("it", "")


@pytest.mark.parametrize(
    ("text", "number"),
    [("查一下订单 A20231 到哪了", "A20231"), ("我的单号是202611270001，谢谢", "202611270001"), ("order JD-12345678?", "JD-12345678"),
     ("没有号", ""), ("买了 3 个", ""), ("abcdefg12345x", "")],
)  # fmt: skip
def test_it_finds_an_order_number(text: str, number: str) -> None:
    assert of("order_number", text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("我的电话13800138000，快点", "13800138000"), ("打 138-0013-8000", "13800138000"), ("+86 138 0013 8000", "13800138000"),
     ("call me at +44 20 7946 0958", "+442079460958"), ("座机 010-62551234", "1062551234"), ("订单 202611270001", ""), ("12345", "")],
)  # fmt: skip
def test_it_finds_a_phone_number(text: str, number: str) -> None:
    assert of("phone", text) == number


@pytest.mark.parametrize(
    ("text", "day"),
    [("今天的", "2026-11-27"), ("昨天下的单", "2026-11-26"), ("前天", "2026-11-25"), ("大前天", "2026-11-24"), ("明天到吗", "2026-11-28"),
     ("三天前买的", "2026-11-24"), ("10天前", "2026-11-17"), ("11月2日", "2026-11-02"), ("11月2号下午", "2026-11-02"),
     ("1月3日", "2027-01-03"), ("6月1日", "2026-06-01"), ("2025年12月31日", "2025-12-31"), ("2026-11-02", "2026-11-02"),
     ("2026/11/2", "2026-11-02"), ("on 2026.11.02", "2026-11-02"), ("yesterday", "2026-11-26"), ("The day before yesterday", "2026-11-25"),
     ("2 days ago", "2026-11-25"), ("Nov 2", "2026-11-02"), ("November 2nd, 2025", "2025-11-02"), ("on the 2nd of November", "2026-11-02"),
     ("2 Sep 2026", "2026-09-02"), ("我 11月2日 买的，昨天到的", "2026-11-02"),
     ("2月30日", ""), ("13月1日", ""), ("A20231", ""), ("maybe 5 of them", ""), ("订单 202611270001", "")],
)  # fmt: skip
def test_it_finds_a_day(text: str, day: str) -> None:
    assert of("date", text) == day


def test_it_takes_a_leap_day_for_the_nearest_there_is() -> None:
    assert day_in("2月29日", date(2027, 6, 1)) == date(2028, 2, 29)
    assert day_in("2月29日", FRIDAY) is None


def test_it_finds_what_a_pattern_of_the_companys_own_says() -> None:
    assert slots.in_text(NUMBER, "查一下订单 a20231 到哪了", FRIDAY) == {"number": "A20231"}
    assert slots.in_text(NUMBER, "没有号", FRIDAY) == {}


def test_it_gives_up_a_pattern_that_never_ends() -> None:
    assert of("pattern", "a" * 60, pattern=r"(a+)+$|(a|aa)+b") in ("", "a" * 60)
    assert of("pattern", "a" * 60 + "c", pattern=r"(?:(a|aa)+)+b") == ""


def test_it_remembers_what_was_said_two_turns_before_and_prefers_what_is_said_now() -> None:
    before = Dialogue((("订单 A20231 到哪了", "运输中"), ("谢谢", "不客气"), ("多久能退", "三天")))
    assert slots.found(NUMBER, before, "那退款呢", FRIDAY) == {"number": "A20231"}
    assert slots.found(NUMBER, before, "A20232 呢", FRIDAY) == {"number": "A20232"}
    later = Dialogue((*before.turns, ("A20240 呢", "待发货")))
    assert slots.found(NUMBER, later, "那退款呢", FRIDAY) == {"number": "A20240"}


@pytest.mark.parametrize("question", ["再查一个订单", "另外一个订单到哪了", "track another order"])
def test_it_does_not_take_the_old_one_for_another(question: str) -> None:
    before = Dialogue((("订单 A20231 到哪了", "运输中"),))
    assert slots.found(NUMBER, before, question, FRIDAY) == {}


def test_it_takes_nothing_from_what_the_bot_said() -> None:
    assert slots.found(NUMBER, Dialogue((("我的订单", "例如 A20231"),)), "到哪了", FRIDAY) == {}


def test_it_knows_what_was_said_long_ago_and_what_fell_out_of_the_dialogue() -> None:
    said = Dialogue()
    for question in ("A20230 到哪了", "A20231 到哪了", *["那什么时候能送到呢"] * 60):
        said = after(said, question, "快了。", {})
    assert not any("A2023" in asked for asked, _answer in said.turns)
    assert slots.found(NUMBER, said, "到哪了", FRIDAY) == {"number": "A20231"}
    assert slots.found(NUMBER, said, "另一个订单到哪了", FRIDAY) == {}


def test_it_forgets_a_day_that_was_named_long_ago_but_not_the_number_beside_it() -> None:
    wanted = NUMBER | {"day": {"kind": "date", "ask": "?"}}
    asked = ("A20231，昨天买的", *["嗯"] * (slots.RECENT - 1))
    recently = Dialogue(tuple((question, "好") for question in asked))
    known = {"number": "A20231", "day": "2026-11-26"}
    assert slots.found(wanted, recently, "到哪了", FRIDAY) == known
    assert slots.found(wanted, after(recently, "嗯", "好", {}), "到哪了", FRIDAY) == {"number": "A20231"}
