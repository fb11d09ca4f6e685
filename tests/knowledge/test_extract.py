from __future__ import annotations

from knowledge.extract import best_sentences

PASSAGE = (
    "本政策适用于在商城购买的全部自营商品，文中的天数都从签收次日算起。小家电指电饭煲、电热水壶等可以快递寄送的商品。"
    "无理由退货的退回运费由您承担，小家电每件 12 元，大家电每件 80 元。质量问题的来回运费都由我们承担。"
    "仓库收到商品后 48 小时内完成检测。退款原路返回，银行卡 3 到 7 个工作日到账。积分和优惠券会退回账户。"
)


def test_it_keeps_the_sentences_that_answer_in_their_order() -> None:
    answer = best_sentences("退货运费谁承担？", PASSAGE, limit=2)
    assert answer == (
        "无理由退货的退回运费由您承担，小家电每件 12 元，大家电每件 80 元。质量问题的来回运费都由我们承担。"
    )


def test_it_leaves_a_short_passage_as_it_stands() -> None:
    assert best_sentences("退款多久到账", "退款原路返回。银行卡 3 天。支付宝 1 天。微信 1 天。谢谢。") == (
        "退款原路返回。银行卡 3 天。支付宝 1 天。微信 1 天。谢谢。"
    )


def test_it_keeps_a_list_whole_with_the_sentence_before_it() -> None:
    steps = "1. 打开「我的订单」，找到商品。\n2. 点「申请售后」，选择退货、换货或维修。\n3. 上传照片或视频。"
    passage = f"{PASSAGE}\n\n申请退货的步骤如下：\n\n{steps}\n\n我们还提供以旧换新。"
    assert best_sentences("怎么申请退货？", passage, limit=2) == f"申请退货的步骤如下：\n\n{steps}"


def test_it_never_cuts_a_table() -> None:
    table = "| 品类 | 保修 |\n| --- | --- |\n| 电饭煲 | 1 年 |\n| 空调 | 6 年 |"
    answer = best_sentences("电饭煲保修多久", f"{PASSAGE}\n\n{table}", limit=1)
    assert answer == table


def test_it_drops_a_heading_on_top() -> None:
    assert best_sentences("保修", "## 保修\n\n整机一年。") == "整机一年。"


def test_it_answers_in_english_with_spaces_between_sentences() -> None:
    passage = (
        "We ship to all provinces of mainland China. Orders above 99 yuan ship free of charge. "
        "Returns are free when the product is faulty. Membership points expire after one year. "
        "Our office is in Shanghai and opens on weekdays only, from nine in the morning to six."
    )
    answer = best_sentences("Is shipping free, and are returns free?", passage, limit=2)
    assert answer == "Orders above 99 yuan ship free of charge. Returns are free when the product is faulty."


def test_it_leaves_no_half_of_a_bold_mark() -> None:
    passage = f"**那运费谁出？** 质量问题的运费由我们出。**很重要。请保留凭证。** {PASSAGE}"
    assert best_sentences("运费谁出？", passage, limit=1).count("**") % 2 == 0
    assert "**" not in best_sentences("请保留凭证", passage, limit=1)


def test_it_leaves_out_the_questions_of_a_document_of_questions_and_answers() -> None:
    passage = "**那运费谁出？** 换货的来回运费都由我们出。\n\n**多久能换好？** 一般 3 天。"
    assert best_sentences("那运费谁出？", passage) == "换货的来回运费都由我们出。一般 3 天。"
