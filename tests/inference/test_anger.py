"""Who complains or is angry is heard by a rule; who only asks about it, and who is calm, is not taken for them."""

from __future__ import annotations

import pytest

from inference.anger import complains, is_angry


@pytest.mark.parametrize(
    "text",
    [
        "我要投诉",
        "我要投诉你们，怎么这么慢",
        "我想投诉，什么时候有人处理？",
        "我要去12315投诉",
        "给我登记一个投诉",
        "我要投訴你們",
        "不处理我就举报你们！",
        "投诉",
        "I want to complain",
        "How dare you! I want to file a complaint",
        "need help lodging a customer complaint",
    ],
)
def test_it_hears_a_complaint(text: str) -> None:
    assert complains(text)


@pytest.mark.parametrize(
    "text",
    [
        "怎么投诉",
        "在哪里投诉",
        "投诉找谁",
        "投诉电话是多少",
        "投诉以后几天有人联系我",
        "投诉编号有什么用",
        "我上次的投诉呢",
        "请问如何向消协投诉商家",
        "how do I file a complaint",
        "我要退货",
    ],
)
def test_it_takes_a_question_about_complaining_for_a_question(text: str) -> None:
    assert not complains(text) and not is_angry(text)


@pytest.mark.parametrize(
    "text",
    [
        "你们就是骗子",
        "气死我了",
        "什么破公司",
        "客服态度太差了",
        "烂透了",
        "this is unacceptable",
        "Worst customer service ever",
        "你们太没用了",
        "半天没人理我",
        "You are useless, nobody helps me!",
    ],
)
def test_it_hears_anger(text: str) -> None:
    assert is_angry(text)


@pytest.mark.parametrize(
    "text",
    [
        "垃圾桶多少钱",
        "收到诈骗电话怎么办",
        "质量怎么样",
        "你们的服务态度真好",
        "锅底坑坑洼洼",
        "差一点就买了",
        "这个按钮按了没用",
        "优惠券没用完怎么办",
        "how do I report a scam",
    ],
)
def test_it_does_not_take_other_words_for_anger(text: str) -> None:
    assert not is_angry(text)
