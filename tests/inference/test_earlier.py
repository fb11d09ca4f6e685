"""What is remembered of a question once its turn is gone."""

from __future__ import annotations

import time

import pytest

from inference.earlier import BETWEEN, LONGEST, ROOM, with_question, within


def of(*questions: str) -> tuple[str, ...]:
    earlier: tuple[str, ...] = ()
    for question in questions:
        earlier = with_question(earlier, question)
    return earlier


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("你好。我的订单号是 A20231，红色的。谢谢！", ("我的订单号是 A20231，红色的",)),
        ("我昨天买的。手机 13912345678", ("我昨天买的", "手机 13912345678")),
        ("Hi. I bought a kettle last week. Can I return it?", ("I bought a kettle last week",)),
        ("电饭煲坏了能换吗？运费谁出？", ("电饭煲坏了能换吗",)),
        ("我姓王", ("我姓王",)),
        ("好的", ()),
        ("📎", ()),
        ("", ()),
    ],
)
def test_it_keeps_what_is_named_or_else_what_is_asked(question: str, kept: tuple[str, ...]) -> None:
    assert of(question) == kept


def test_it_keeps_once_what_is_said_again_and_as_the_latest() -> None:
    assert of("订单 A20231", "电饭煲坏了", "订单 A20231") == ("电饭煲坏了", "订单 A20231")


def test_it_finds_the_number_in_what_never_pauses() -> None:
    (kept,) = of("啊" * 500 + "A20231" + "啊" * 500)
    assert "A20231" in kept and len(kept) == LONGEST


def test_it_has_an_end_and_lets_questions_go_before_what_was_named() -> None:
    earlier = of(
        "我的订单号是 A20231",
        *(f"怎么开通{'甲乙丙丁戊己庚辛'[n % 8]}{chr(0x4E00 + n)}业务" for n in range(200)),
    )
    assert earlier[0] == "我的订单号是 A20231"
    assert earlier[-1] == f"怎么开通辛{chr(0x4E00 + 199)}业务"
    assert ROOM - 20 < len(BETWEEN.join(earlier)) <= ROOM
    assert within(15, earlier) == ("我的订单号是 A20231",)
    assert within(3, earlier) == ()


def test_it_lets_other_things_go_before_a_number_of_somebodys_own() -> None:
    earlier = of("我的订单号是 A20231", *(f"第 {n} 种会员有什么好处" for n in range(100)))
    assert earlier[0] == "我的订单号是 A20231" and earlier[-1] == "第 99 种会员有什么好处"


def test_it_lets_the_oldest_number_go_when_there_are_too_many() -> None:
    earlier = of(*(f"订单 A{number}" for number in range(10_000, 10_100)))
    assert earlier[-1] == "订单 A10099" and "订单 A10000" not in earlier


def test_it_takes_no_time_for_a_flood_of_numbers() -> None:
    began = time.thread_time()
    earlier = of(
        *("。".join(str(1000 + flood * 800 + number) for number in range(800)) for flood in range(5))
    )
    assert earlier[-1].startswith("4") and len(BETWEEN.join(earlier)) <= ROOM
    assert time.thread_time() - began < 0.1
