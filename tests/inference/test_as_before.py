"""Answers of a model that are given again: to the same question of anybody at the same company, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inference import as_before
from inference.dialogue import Dialogue
from inference.turn import Answer, Lane, Rung, Source, Turn
from tenants.models import Tenant
from tenants.redis import sync_redis
from tests.inference.turns import a_turn, company

ANSWER = Answer("可以的，七天内都能退。", "generated", sources=(Source("退换货政策", "/help", "七天"),))


@pytest.fixture(autouse=True)
def nothing_kept(services: None) -> Iterator[None]:
    yield
    for key in sync_redis().scan_iter("kefu:{*}:answer:*"):
        sync_redis().delete(key)


def asked(question: str, tenant: Tenant | None = None, **fields: Any) -> Turn:
    turn = a_turn(question, tenant=tenant or company(), lane=Lane.WORKER, **fields)
    turn.rung = fields.get("rung", Rung.FULL)
    turn.path = [{"step": "test"}]
    return turn


async def keep(question: str, answer: Answer = ANSWER, **fields: Any) -> None:
    turn = asked(question, **fields)
    turn.answer = answer
    await as_before.keep_answer(turn)


async def found(question: str, **fields: Any) -> Answer | None:
    turn = asked(question, **fields)
    await as_before.answer_as_before(turn)
    return turn.answer


async def test_it_gives_the_same_answer_with_its_sources_to_the_same_question() -> None:
    await keep("电饭煲拆封以后还能退货吗？")
    assert await found("请问电饭煲拆封以后还能退货吗") == ANSWER


@pytest.mark.parametrize("question", ["电饭煲拆封以后不能退货吗？", "电饭煲拆封以后还能换货吗？", "？？"])
async def test_it_gives_it_to_no_other_question(question: str) -> None:
    await keep("电饭煲拆封以后还能退货吗？")
    assert await found(question) is None


async def test_it_gives_nothing_of_one_company_to_another() -> None:
    await keep("电饭煲拆封以后还能退货吗？")
    globex = Tenant(schema_name="globex", name="Globex")
    globex.policy = company().policy
    assert await found("电饭煲拆封以后还能退货吗？", tenant=globex) is None


async def test_it_begins_anew_when_the_company_changes_anything() -> None:
    await keep("电饭煲拆封以后还能退货吗？")
    changed = company()
    changed.revision += 1
    assert await found("电饭煲拆封以后还能退货吗？", tenant=changed) is None


async def test_it_keeps_answers_of_the_rungs_and_languages_apart() -> None:
    await keep("电饭煲拆封以后还能退货吗？", rung=Rung.LIGHT)
    assert await found("电饭煲拆封以后还能退货吗？") is None
    assert await found("电饭煲拆封以后还能退货吗？", rung=Rung.EXTRACT) is None
    assert await found("电饭煲拆封以后还能退货吗？", rung=Rung.LIGHT, locale="zh-hans") == ANSWER
    await keep("MacBook Air 保修")  # which may be meant in either
    assert await found("MacBook Air 保修", locale="zh-hans") is None


@pytest.mark.parametrize(
    "question",
    [
        "我的手机号 13800138000 能收到短信吗？",
        "订单 A20231 的电饭煲拆封以后还能退货吗？",
        "我的邮箱 vera@example.com 收不到发票怎么办？",
    ],
)
async def test_it_keeps_nothing_that_is_somebodys_own(question: str) -> None:
    await keep(question)
    assert not list(sync_redis().scan_iter("kefu:{*}:answer:*"))


@pytest.mark.parametrize(
    "answer",
    [
        Answer("请打 13800138000。", "generated"),
        Answer("我不能替您办。要转人工吗？", "generated", open={"offer": "person"}),
        Answer("七天无理由退货。", "verbatim"),
        Answer("我不确定。", "unknown"),
    ],
)
async def test_it_keeps_no_such_answer(answer: Answer) -> None:
    await keep("电饭煲拆封以后还能退货吗？", answer)
    assert not list(sync_redis().scan_iter("kefu:{*}:answer:*"))


async def test_it_keeps_nothing_that_was_said_in_the_middle_of_a_dialogue() -> None:
    await keep("电饭煲拆封以后还能退货吗？", dialogue=Dialogue((("我的订单呢", "已经发出。"),)))
    assert not list(sync_redis().scan_iter("kefu:{*}:answer:*"))


async def test_it_answers_in_the_middle_of_a_dialogue_only_what_stands_alone() -> None:
    before = Dialogue((("怎么开发票", "在订单里。"),))
    await keep("电饭煲拆封以后还能退货吗？")
    await keep("那运费谁出？")
    assert await found("电饭煲拆封以后还能退货吗？", dialogue=before) == ANSWER
    assert await found("那运费谁出？", dialogue=before) is None
    waiting = Dialogue((("我的订单呢", "请告诉我订单号。"),), {"connector": "order", "slot": "number"})
    assert await found("电饭煲拆封以后还能退货吗？", dialogue=waiting) is None


async def test_it_keeps_nothing_for_a_company_that_does_not_want_it() -> None:
    strict = company(answers_kept=0)
    await keep("电饭煲拆封以后还能退货吗？", tenant=strict)
    assert not list(sync_redis().scan_iter("kefu:{*}:answer:*"))


async def test_it_forgets_after_the_hours_of_the_policy() -> None:
    await keep("电饭煲拆封以后还能退货吗？", tenant=company(answers_kept=2))
    (key,) = sync_redis().scan_iter("kefu:{*}:answer:*")
    assert 7100 < sync_redis().ttl(key) <= 7200
