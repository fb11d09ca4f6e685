from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from knowledge.entries import EntryIndex, build

DEMO = Path(__file__).parents[2] / "kefu" / "demo"


@dataclass
class Entry:
    id: int
    question: str
    others: list[str] = field(default_factory=list)
    answer: str = "答"
    mode: str = "verbatim"
    source_title: str = "政策"
    source_url: str = "/help"

    def wordings(self) -> list[str]:
        return [self.question, *self.others]


@pytest.fixture(scope="module")
def index() -> EntryIndex:
    return build(
        [
            Entry(1, "你们的退货政策是什么？", ["退货规则", "可以无理由退货吗", "怎么退货"]),
            Entry(2, "可以使用优惠券吗？", ["优惠券怎么用"]),
            Entry(3, "怎么开发票？", ["发票在哪里下载", "怎么开电子发票"], mode="situational"),
            Entry(4, "电饭煲显示 E1 怎么办？", ["电饭煲报 E1"]),
            Entry(5, "忘记密码怎么办？", ["密码忘了", "登录密码怎么找回"]),
            Entry(6, "怎么开通国际漫游？", ["国际漫游在哪开通"]),
            Entry(7, "怎么关闭国际漫游？", ["国际漫游怎么取消"]),
            Entry(8, "你们几点上班？", ["工作时间"]),
            Entry(9, "What is your return policy?", ["How do I return an item?"]),
        ]
    )


def found(index: EntryIndex, question: str) -> int | None:
    match = index.match(question)
    return match.entry_id if match else None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("你们的退货政策是什么？", 1),
        ("您好，请问你们的退货政策是什么呀", 1),
        ("退货政策是什么", 1),
        ("退貨政策是什麼？", 1),
        ("可以无理由退货么", 1),
        ("我想问一下电子发票怎么开", 3),
        ("电饭煲显示Ｅ１怎么办", 4),
        ("国际漫游怎么开通", 6),
        ("怎么取消国际漫游", 7),
        ("how do i return an item", 9),
        ("Hello, what's your return policy please?", 9),
    ],
)
def test_it_knows_a_question_in_its_own_or_nearly_its_own_words(
    index: EntryIndex, question: str, expected: int
) -> None:
    assert found(index, question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "不能使用优惠券吗",  # the opposite
        "不可以无理由退货吗",
        "电饭煲显示 E3 怎么办？",  # another number
        "洗衣机显示 E1 怎么办？",  # another thing
        "忘记服务密码怎么办？",  # another password
        "怎么开国际漫游发票？",
        "退货政策什么时候开始改的，我上周买的算吗",  # a case of its own
        "怎么办？",
        "国际漫游",  # two entries are as near
        "今天天气怎么样",
        "发票",
        "密码",
        "",
        "？？？",
        "退货" * 60,
    ],
)
def test_it_would_rather_say_nothing_than_something_wrong(index: EntryIndex, question: str) -> None:
    assert found(index, question) is None


def test_it_tells_where_the_answer_comes_from(index: EntryIndex) -> None:
    match = index.match("怎么开发票")
    assert match is not None
    assert (match.score, match.mode, match.answer) == (1.0, "situational", "答")
    assert (match.question, match.source_title, match.source_url) == ("怎么开发票？", "政策", "/help")


def test_it_decides_nothing_by_a_wording_that_two_entries_share() -> None:
    index = build([Entry(1, "退货", ["运费谁出"]), Entry(2, "换货", ["运费谁出"])])
    assert found(index, "运费谁出") is None
    assert found(index, "换货") == 2


def test_it_matches_nothing_when_there_are_no_entries() -> None:
    assert build([]).match("退货政策") is None


def _demo(company: str) -> list[Entry]:
    rows = yaml.safe_load((DEMO / company / "entries.yaml").read_text("utf-8"))
    return [Entry(number, row["question"], row.get("variants", [])) for number, row in enumerate(rows)]


@pytest.mark.parametrize("company", ["acme", "globex"])
def test_it_knows_every_question_of_the_demo_companies(company: str) -> None:
    entries = _demo(company)
    index = build(entries)
    wrong = [
        (wording, entry.question)
        for entry in entries
        for wording in entry.wordings()
        if found(index, wording) not in {entry.id, None}
    ]
    assert wrong == []
    assert all(found(index, entry.question) == entry.id for entry in entries)
