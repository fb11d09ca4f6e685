"""Each step's rule, with no socket, no broker and no row."""

from __future__ import annotations

import pytest

from inference.dialogue import Dialogue
from inference.models import Connector, Intent, Provider
from inference.pipeline import surrender
from inference.turn import Lane
from tests.inference.turns import a_mind, a_turn, an_entry, answered, company

RETURNS = an_entry("你们的退货政策是什么？", "七天无理由退货。")
FREIGHT = an_entry("运费谁出？", "质量问题运费由我们承担。", pk=2)
ORDER = Connector(
    name="order",
    query="SELECT 1",
    slots={"number": {"pattern": r"[A-Za-z]\d{5}", "ask": "请告诉我订单号。", "upper": True}},
    template="{number}",
)
ASKED_FOR_NUMBER = Dialogue((("我的订单呢", "请告诉我订单号。"),), {"connector": "order", "slot": "number"})
OFFERED = Dialogue((("你们老板是谁", "我不确定。要转人工吗？"),), {"offer": "person"})


def look_up() -> Intent:
    return Intent(name="order_status", action=Intent.Action.LOOK_UP, connector=ORDER)


async def said(question: str, **fields: object) -> tuple[str, str] | None:
    turn = await answered(question, **fields)
    return (turn.answer.mode, turn.answer.text) if turn.answer else None


# --- Approved entries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question", ["你们的退货政策是什么？", "请问你们的退货政策是什么", "退货政策是什么呢？？"]
)
async def test_it_answers_an_approved_question_word_for_word_with_its_source(question: str) -> None:
    turn = await answered(question, a_mind(known=(RETURNS, FREIGHT)))
    assert turn.answer and (turn.answer.mode, turn.answer.text) == ("verbatim", RETURNS.answer)
    assert [source.title for source in turn.answer.sources] == ["About 1"]
    assert [row["step"] for row in turn.path] == [
        *("screen_question", "detect_intent", "answer_from_business"),
        *("screen_answer", "check_answer", "cite_sources"),
    ]


async def test_it_asks_a_worker_where_no_entry_fits() -> None:
    assert await said("微波炉能热鸡蛋吗", mind=a_mind(known=(RETURNS,))) is None


async def test_it_takes_a_similar_question_for_the_entry_only_where_it_stands_alone() -> None:
    mind = a_mind(
        known=(an_entry("退货的运费谁出？", "我们出。"), an_entry("怎么开发票？", "在订单页。", pk=2))
    )
    before = Dialogue((("电饭煲坏了能换吗", "能换。"),))
    assert await said("退货运费谁出", mind=mind) == ("verbatim", "我们出。")
    assert await said("那退货的运费谁来出呢", mind=mind, dialogue=before) is None


async def test_it_leaves_what_must_be_fitted_to_the_case_to_a_model_where_there_is_one() -> None:
    entry = an_entry("坏了能换吗", "七天内能换。", mode="situational")
    model = Provider(name="any", base_url="http://127.0.0.1:9/v1", model="any")
    assert await said("坏了能换吗", mind=a_mind(known=(entry,))) == ("verbatim", "七天内能换。")
    assert await said("坏了能换吗", mind=a_mind(known=(entry,), providers=(model,))) is None
    off = company(use_model=False)
    assert await said("坏了能换吗", mind=a_mind(known=(entry,), providers=(model,)), tenant=off)


# --- In two languages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("locale", "text"), [("en", "Hello!"), ("zh-hans", "您好！")])
async def test_it_replies_in_the_language_of_the_widget_where_the_question_tells_none(
    locale: str, text: str
) -> None:
    greeting = Intent(name="hello", action=Intent.Action.REPLY, reply="您好！", reply_en="Hello!")
    assert await said("hi", mind=a_mind(intent=greeting), locale=locale) == ("reply", text)


@pytest.mark.parametrize("locale", ["en", "zh-hans"])
@pytest.mark.parametrize(
    ("question", "text"), [("我的订单呢", "请告诉我订单号。"), ("Where is my order?", "Which order?")]
)
async def test_it_asks_for_a_number_in_the_language_of_the_question(
    question: str, text: str, locale: str
) -> None:
    slots = {"number": ORDER.slots["number"] | {"ask_en": "Which order?"}}
    order = Connector(name="order", query="SELECT 1", slots=slots, template="{number}")
    intent = Intent(name="order_status", action=Intent.Action.LOOK_UP, connector=order)
    assert await said(question, mind=a_mind(intent=intent), locale=locale) == ("look_up", text)


# --- A person is always within reach ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        "转人工",
        "我要找人工客服",
        "人工",
        "有真人吗",
        "找你们经理来",
        "I want to talk to a person",
        "Real person please!",
    ],
)
async def test_it_calls_a_person_whatever_else_would_answer(question: str) -> None:
    smalltalk = Intent(name="smalltalk", action=Intent.Action.REPLY, reply="哈哈")
    turn = await answered(question, a_mind(known=(an_entry(question, "不行。"),), intent=smalltalk))
    assert turn.answer and turn.answer.mode == "hand_over" and turn.answer.hand_over


@pytest.mark.parametrize(
    "question", ["人工智能是什么", "手工还是机器做的", "这个活动适合几个人", "a humanoid robot"]
)
async def test_it_does_not_take_other_words_for_a_call(question: str) -> None:
    turn = await answered(question)
    assert turn.answer is None


@pytest.mark.parametrize(
    "yes", ["好", "好的", "要", "可以", "嗯嗯", "转吧", "麻烦你了", "OK", "yes please", "Sure!"]
)
async def test_it_takes_yes_for_an_accepted_offer(yes: str) -> None:
    accepted = await answered(yes, dialogue=OFFERED)
    assert accepted.answer and accepted.answer.hand_over
    alone = await answered(yes)
    assert alone.answer is None


@pytest.mark.parametrize("no", ["不用", "不用了，谢谢", "不需要", "算了", "No thanks", "not now"])
async def test_it_lets_a_declined_offer_go(no: str) -> None:
    turn = await answered(no, dialogue=OFFERED)
    assert turn.answer and (turn.answer.mode, turn.answer.open, turn.answer.hand_over) == ("reply", {}, "")


@pytest.mark.parametrize("no", ["不用转人工", "不要转人工了", "先别转人工", "不需要人工客服"])
async def test_it_calls_nobody_whom_the_visitor_does_not_want(no: str) -> None:
    turn = await answered(no, dialogue=OFFERED)
    assert not turn.answer or not turn.answer.hand_over


# --- Complaints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "matter"),
    [
        ("快递一直没到，我要投诉", "配送"),
        ("新买的锅是坏的，投诉你们", "产品"),
        ("你们客服态度太差了", "接待"),
        ("乱扣费，我要投诉", "费用"),
        ("我要投诉", "没能让您满意"),
        ("My parcel never came, I want to complain", "your delivery"),
    ],
)
async def test_it_apologises_for_the_very_matter_and_offers_a_person(question: str, matter: str) -> None:
    complaint = Intent(name="complaint", action=Intent.Action.COMPLAINT)
    turn = await answered(question, a_mind(intent=complaint))
    assert turn.answer and turn.answer.complaint and turn.answer.open == {"offer": "person"}
    assert matter in turn.answer.text and "{case_number}" in turn.answer.text
    assert not turn.answer.hand_over


async def test_it_apologises_for_what_was_told_before() -> None:
    complaint = Intent(name="complaint", action=Intent.Action.COMPLAINT)
    before = Dialogue((("快递三天没动了", "请稍等。"),))
    turn = await answered("我要投诉", a_mind(intent=complaint), dialogue=before)
    again = await answered(
        "我要投诉", a_mind(intent=complaint), dialogue=Dialogue((*before.turns, before.turns[0]))
    )
    assert turn.answer and again.answer and "配送" in turn.answer.text
    assert turn.answer.text != again.answer.text


# --- Look-ups ---------------------------------------------------------------------------------------------------------


async def test_it_asks_once_for_what_a_look_up_lacks() -> None:
    mind = a_mind(intent=look_up(), connectors=(ORDER,))
    turn = await answered("我的订单到哪了", mind)
    assert turn.answer and turn.answer.text == "请告诉我订单号。"
    assert turn.answer.open == {"connector": "order", "slot": "number"}
    for said_instead in ("我不知道", "订单号找不到了", "帮我查订单"):
        again = await answered(said_instead, mind, dialogue=ASKED_FOR_NUMBER)
        assert again.answer and again.answer.open == {"offer": "person"}, said_instead
        assert again.answer.text != turn.answer.text
    how = await answered("订单号在哪里看", mind, dialogue=ASKED_FOR_NUMBER)
    assert how.answer is None  # a question that the documents may answer


async def test_it_does_not_ask_for_what_was_said_two_turns_before() -> None:
    mind = a_mind(intent=look_up(), connectors=(ORDER,))
    before = Dialogue((("订单 a20231 是你们的吗", "是的。"), ("谢谢", "不客气。")))
    turn = await answered("到哪了", mind, dialogue=before)
    assert turn.needs_worker and turn.answer is None


async def test_it_lets_a_visitor_log_in_before_it_asks_for_anything_personal() -> None:
    personal = Connector(
        name="order", query="SELECT 1", slots=ORDER.slots, template="{number}", needs_identity=True
    )
    wants = Intent(name="order_status", action=Intent.Action.LOOK_UP, connector=personal)
    mind = a_mind(intent=wants, connectors=(personal,))
    quick = await answered("我的订单到哪了", mind)
    assert quick.needs_worker and quick.answer is None  # who asks is known to the worker
    unknown = await answered("我的订单到哪了", mind, lane=Lane.WORKER)
    assert unknown.answer and "登录" in unknown.answer.text and unknown.answer.open == {"offer": "person"}
    known = await answered("我的订单到哪了", mind, lane=Lane.WORKER, visitor="vera")
    assert known.answer and known.answer.text == "请告诉我订单号。"


async def test_it_leaves_a_look_up_with_its_slots_filled_to_a_worker() -> None:
    mind = a_mind(intent=look_up(), connectors=(ORDER,))
    assert await said("查一下订单 A20231", mind=mind) is None
    # ... also where the number alone answers the bot's question, and no ready answer may come in between.
    close = an_entry("a20231", "无关的答案")
    assert (
        await said("a20231", mind=a_mind(connectors=(ORDER,), known=(close,)), dialogue=ASKED_FOR_NUMBER)
        is None
    )


# --- What is forbidden ------------------------------------------------------------------------------------------------


async def test_it_refuses_a_blocked_question_and_keeps_its_words_from_everybody() -> None:
    turn = await answered(
        "哪里买迷 药", a_mind(words={"迷药": "block"}, known=(an_entry("哪里买迷药", "那里"),))
    )
    assert turn.blocked and turn.answer and turn.answer.mode == "refusal"
    assert "迷" not in turn.question and "药" not in turn.question
    assert "迷药" not in str(turn.path)


async def test_it_masks_a_word_and_goes_on() -> None:
    turn = await answered("垃圾，退货政策是什么", a_mind(words={"垃圾": "mask"}, known=(RETURNS,)))
    assert turn.question == "**，退货政策是什么" and not turn.blocked


async def test_it_calls_a_person_for_words_that_need_one() -> None:
    turn = await answered("我不想活了", a_mind(words={"不想活": "hand_over"}))
    assert turn.answer and turn.answer.hand_over and not turn.blocked


async def test_it_says_no_forbidden_word_itself() -> None:
    bad = an_entry("有什么推荐", "去买竞品吧")
    blocked = await answered("有什么推荐", a_mind(words={"竞品": "block"}, known=(bad,)))
    assert blocked.answer and blocked.answer.mode == "refusal" and "竞品" not in blocked.answer.text
    masked = await answered("有什么推荐", a_mind(words={"竞品": "mask"}, known=(bad,)))
    assert masked.answer and masked.answer.text == "去买**吧"


# --- The lanes --------------------------------------------------------------------------------------------------------


async def test_it_gives_up_with_an_offer() -> None:
    turn = a_turn("什么都行", lane=Lane.WORKER)
    await surrender(turn)
    assert turn.answer and (turn.answer.mode, turn.answer.open) == ("unknown", {"offer": "person"})


async def test_it_knows_only_what_its_own_tenant_wrote(live_acme: object, live_globex: object) -> None:
    """The whole worker lane, on two empty companies: nothing is known, and nothing is invented."""
    for tenant in (live_acme, live_globex):
        turn = await answered("太空旅行多少钱一位", tenant=tenant, lane=Lane.WORKER)
        assert turn.answer and turn.answer.mode == "unknown"
        assert [row["step"] for row in turn.path][-5:-4] == ["admit_unknown"]
