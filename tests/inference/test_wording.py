"""What is wrong with an answer, in figures. The answers marked so are real ones, of the model that `make model` fetches."""

from __future__ import annotations

import pytest

from inference.wording import Fault, figures_of, shortened, without_promises

RULE = (
    "签收次日起 **7 天内**，商品完好、配件齐全可以无理由退货；有**质量问题**的，7 天内可退、可换、可修，15 天内可换、可修。"
    "无理由退货的取件费由您承担（小家电 12 元、大家电 80 元），质量问题的来回运费都由我们出。"
    "在「我的订单 → 申请售后」提交，我们 2 小时内审核，然后安排快递上门取件。"
)
OPENED = (
    "拆包装、通电试机都不影响 7 天无理由退货。已经煮过饭、装过水、吸过灰的不适用；不过如果是质量问题，用过也没关系："
    "7 天内可退，15 天内可换。"
)
RETURNS = (
    "You can send anything back within seven days of delivery, as long as the goods are complete and undamaged. "
    "If there is a fault in the goods we pay the postage both ways; otherwise the courier's fee of 12 yuan is yours to pay."
)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (  # real
            RULE,
            "签收次日起7天内，商品完好、配件齐全可以无理由退货；有质量问题的，7天内可退、可换、可修，15天内可换、可修。"
            "无理由退货的取件费由您承担（小家电12元、大家电80元），质量问题的来回运费都由我们出。在“我的订单→申请售后”提交，"
            "我们2小时内审核，然后安排快递上门取件。",
        ),
        (RULE, RULE.replace("签", "簽").replace("**", "")),
        (RETURNS, RETURNS.upper()),
        (RETURNS, "Sure! " + RETURNS),
    ],
)
def test_it_sees_a_passage_read_out(source: str, said: str) -> None:
    assert figures_of(said, [OPENED, source], []).fault == Fault.RECITES


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (RULE, "可以退。签收才三天，又是质量问题，您在「我的订单」里申请售后，运费我们出。"),
        (RULE, "签收次日起 7 天内，商品完好、配件齐全可以无理由退货。"),  # short: a rule has its words
        (OPENED, "拆开包装、通电试机不影响退货。"),  # real
        (  # real
            OPENED,
            "正常使用过（比如煮过饭、装过水、吸过灰）的商品不适用无理由退货。不过如果是质量问题，用过也没关系：7天内可退，15天内可换。",
        ),
        (RETURNS, "Yes: it is day three, so send it back. As it is broken, we pay the postage both ways."),
        ("", "可以换。"),
        (RULE, ""),
    ],
)
def test_it_lets_facts_and_own_words_pass(source: str, said: str) -> None:
    assert figures_of(said, [source], []).fault is None


def test_it_tells_how_much_is_copied() -> None:
    half = figures_of("签收次日起七天之内您随便退，" + "商品完好、配件齐全可以无理由退货", [RULE], [])
    assert (half.copied, half.recited) == (15, 0.54)
    assert figures_of(RULE, [], []).recited == 0


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("质量问题需要换货，因为换货会增加运费。", "质量问题需要换货，因为换货会增加运费。"),  # real
        ("可以换。", "可以换！"),
        (
            "根据资料，您可以在「我的订单 → 申请售后」提交，我们 2 小时内审核，然后安排快递上门取件。",
            "您可以在「我的订单 → 申请售后」提交，我们 2 小时内审核，然后安排快递上门取件。",
        ),
        ("You can send it back within seven days.", "you can send it back within seven days"),
    ],
)
def test_it_sees_its_own_last_words_again(before: str, now: str) -> None:
    assert figures_of(now, [], ["退货很简单。", before]).fault == Fault.REPEATS
    assert figures_of(now, [], [before, "退货很简单。"]).fault == Fault.REPEATS


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("可以换，来回运费由我们承担，快递会上门来取。", "可以换。"),
        ("退款是原路返回，不能改到其他卡。", "不能，退款只能原路返回，不过可以先取消订单再换一张卡付款。"),
        (
            "You can send it back within seven days.",
            "You can send it back within seven days. We pay the postage, as it is broken.",
        ),
        ("", "可以换。"),
    ],
)
def test_it_lets_a_new_answer_pass(before: str, now: str) -> None:
    assert figures_of(now, [], [before]).fault is None


@pytest.mark.parametrize(
    "said",
    [
        "抱歉，我不清楚。",
        "不知道。",
        "很抱歉，我无法回答这个问题，请您谅解。",
        "对不起，目前没有找到相关的信息。",
        "资料里没有提到具体的规定。",
        "I'm sorry, I can't help with that.",
        "Sorry, I don't know.",
        "Unfortunately I could not find any information about that. Please accept my apologies.",
    ],
)
def test_it_sees_a_refusal_that_leads_nowhere(said: str) -> None:
    assert figures_of(said, [], []).fault == Fault.REFUSAL


@pytest.mark.parametrize(
    "said",
    [
        "这个我不清楚，您可以拨打 400-800-1234 问一下。",
        "抱歉，我没有找到相关的信息，要我转人工吗？",
        "抱歉，超过七天不能无理由退货。",  # the rules say no: that is an answer
        "目前不支持货到付款。",
        "I'm not sure; please tell me the number of your order.",
        "I can't find it. Would you like to talk to a colleague?",
        "Opened filters cannot be returned.",
    ],
)
def test_it_takes_no_answer_for_a_refusal(said: str) -> None:
    assert figures_of(said, [], []).fault is None


@pytest.mark.parametrize(
    "said",
    [
        "需要上传照片或 30 秒以内的视频。我将在 2 小时内审核。",  # real
        "已为您登记换货。",
        "我会马上帮您催一下仓库。",
        "I have refunded you.",
        "I'll contact the courier.",
    ],
)
def test_it_sees_a_promise_that_nothing_keeps(said: str) -> None:
    assert figures_of(said, [], []).fault == Fault.PROMISE


@pytest.mark.parametrize(
    "said", ["提交后我们会在 2 小时内审核。", "您可以自己登记换货。", "We refund within three days."]
)
def test_it_lets_the_company_keep_its_own_word(said: str) -> None:
    assert figures_of(said, [], []).fault is None


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("可以退。运费我们出。三天到账。请留意短信。", "可以退。运费我们出。三天到账。"),
        ("您买的是哪一款？什么时候买的？坏在哪里？", "您买的是哪一款？"),
        (
            "You can return it. We pay. It takes 2.5 days. Anything else? Shall I go on?",
            "You can return it. We pay. It takes 2.5 days.",
        ),
    ],
)
def test_it_sees_more_sentences_or_questions_than_anybody_reads(said: str, short: str) -> None:
    assert figures_of(said, [], []).fault == Fault.WORDY
    assert shortened(said) == short and figures_of(short, [], []).fault is None


@pytest.mark.parametrize(
    "said",
    ["可以退。运费我们出。您要退吗？", "按下面做：\n1. 打开订单。\n2. 点售后。\n3. 选退货。\n4. 提交。"],
)
def test_it_lets_three_sentences_and_lists_of_steps_pass(said: str) -> None:
    assert figures_of(said, [], []).fault is None


def test_it_takes_out_the_sentences_that_promise() -> None:
    assert without_promises("可以换。我已经为您登记。请留意短信。") == "可以换。请留意短信。"


def test_it_names_the_worst_of_several() -> None:
    assert figures_of("我已经为您退款。", [], ["我已经为您退款。"]).fault == Fault.PROMISE
    assert figures_of("抱歉，我不清楚。", [], ["抱歉，我不清楚。"]).fault == Fault.REFUSAL
