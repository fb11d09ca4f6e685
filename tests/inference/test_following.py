"""Follow-ups: recognised, put together with what they lean on, and answered from the same matter."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from inference import pipeline
from inference.dialogue import Dialogue
from inference.following import in_full, leans
from inference.knowing import quote_passage, retrieve_passages
from inference.turn import Lane, Turn
from kefu.demo import content
from knowledge.indexing import index_document
from knowledge.models import Document, KnowledgeBase
from tenants.actions import touch
from tenants.context import inside
from tenants.models import Tenant
from tests.inference import follow_ups
from tests.inference.turns import a_passage, a_turn


def said(*questions: str, answer: str = "好的。") -> Dialogue:
    return Dialogue(tuple((question, answer) for question in questions))


@pytest.mark.parametrize(
    "question",
    [
        "那运费谁出？",
        "银行卡呢",
        "它多重",
        "And for bank cards?",
        "How long does it take?",
        "what about Tibet",
        "多久",
        "Until when?",
        "How many can I have?",
    ],
)
def test_it_hears_that_a_question_leans(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize(
    "question",
    ["怎么开发票？", "退款什么时候到账", "How long is the warranty?", "Do you ship abroad?", "多久发货"],
)
def test_it_takes_a_question_that_says_all_for_one_that_stands_alone(question: str) -> None:
    assert not leans(question)


def test_it_puts_a_follow_up_behind_what_it_leans_on_without_the_leaning_words() -> None:
    assert in_full("那运费谁出？", said("电饭煲坏了，能换吗？")) == "电饭煲坏了，能换吗 运费谁出"
    assert in_full("And for bank cards?", said("When will I get my refund?")) == (
        "When will I get my refund for bank cards"
    )


def test_it_goes_back_to_the_question_that_named_the_matter() -> None:
    dialogue = said("怎么开通国际漫游的流量日包？", "日本多少钱", "那泰国呢")
    assert in_full("那欧洲呢？", dialogue) == "怎么开通国际漫游的流量日包 日本多少钱 泰国 欧洲"


def test_it_does_not_go_back_beyond_a_new_matter() -> None:
    assert "漫游" not in in_full(
        "那专票呢？", said("怎么开通国际漫游的流量日包？", "我想给公司开一张发票，怎么办？")
    )


def test_it_leaves_the_first_question_and_a_long_one_alone() -> None:
    assert in_full("那运费谁出？", Dialogue()) == ""
    assert in_full("我想知道怎么给公司开一张增值税专用发票？", said("退货吗")) == ""


async def test_it_quotes_what_fits_the_follow_up_from_a_passage_it_has_quoted_before() -> None:
    policy = "整机保修 1 年。主要部件保修 3 年。滤网、密封圈等易耗件保修 3 个月。纸质保修卡不用保管，电子保修随订单生效。"
    dialogue = said("保修多久？", answer=policy)
    turn = a_turn("滤网呢", dialogue=dialogue, lane=Lane.WORKER, passages=(a_passage(policy),))
    turn.query = "保修多久 滤网"
    await quote_passage(turn)
    assert turn.answer and "3 个月" in turn.answer.text
    assert turn.answer.text != policy


async def test_it_does_not_say_the_same_sentence_again() -> None:
    dialogue = said("保修多久？", answer="整机保修 1 年。")
    turn = a_turn("滤网呢", dialogue=dialogue, lane=Lane.WORKER, passages=(a_passage("整机保修 1 年。"),))
    turn.query = "保修多久 滤网"
    await quote_passage(turn)
    assert turn.answer is None


POLICY = """# 售后政策

## 退货运费

质量问题退货，来回运费由我们承担；无理由退货，运费由您承担。

## 退货时间

签收后七天内可以无理由退货，退款三天内到账。
"""


@pytest.fixture
def policy(live_acme: Tenant) -> Iterator[Tenant]:
    with inside(live_acme):
        base = KnowledgeBase.objects.create(name="售后")
        document = Document.objects.create(base=base, title="售后政策", kind="md", text=POLICY)
        index_document(document.pk)
    touch(live_acme)
    live_acme.refresh_from_db(fields=["revision"])
    yield live_acme
    with inside(live_acme):
        base.delete()
    touch(live_acme)


async def _found(tenant: Tenant, question: str, *before: str) -> Turn:
    turn = a_turn(question, tenant=tenant, lane=Lane.WORKER, dialogue=said(*before))
    await pipeline.search(turn, (retrieve_passages,))
    return turn


async def test_it_searches_a_short_question_that_goes_on_together_with_the_one_before(policy: Tenant) -> None:
    turn = await _found(policy, "运费谁出", "东西坏了可以退货吗")
    assert turn.query == "东西坏了可以退货吗 运费谁出"
    assert "来回运费" in turn.passages[0].text


@pytest.mark.parametrize("aside", ["火星上能种土豆吗？", "讲个笑话", "Write a poem"])
async def test_it_does_not_take_a_short_question_about_anything_else_for_one_that_goes_on(
    policy: Tenant, aside: str
) -> None:
    turn = await _found(policy, aside, "东西坏了可以退货吗")
    assert (turn.query, turn.passages) == (aside, ())


def test_the_labelled_follow_ups_are_enough_and_their_answers_are_in_what_the_companies_know() -> None:
    labelled = follow_ups.read()
    languages = [one.language for one in labelled]
    assert languages.count("zh") >= 60 and languages.count("en") >= 30
    known = {name: _known(name) for name in follow_ups.COMPANIES}
    assert [one for one in labelled if not re.search(one.fact, known[one.company])] == []


def _known(company: str) -> str:
    entries = [row["answer"] for row in content.read(company, "entries")]
    return "\n".join(
        [*entries, *(path.read_text("utf-8") for path in content.documents(company) if path.suffix == ".md")]
    )
