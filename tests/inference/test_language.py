"""The bot speaks the language that the visitor writes, whatever language their widget has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import translation
from pytest_django import Settings

from inference.dialogue import Dialogue
from inference.language import language_of, spoken
from inference.models import Connector, Intent
from inference.pipeline import surrender
from inference.prompt import RULES, prompt_for
from inference.turn import Lane
from tests.inference.turns import a_mind, a_turn, answered, wake_everything
from tests.receiver import Receiver

CHINESE, ENGLISH = "我的订单 A10001 到哪了？", "Where is my order A10001?"
LANGUAGES = [(CHINESE, "zh-hans"), (ENGLISH, "en")]
BOTH = ["en", "zh-hans"]


@pytest.fixture
def shop(services: None, settings: Settings) -> Iterator[Connector]:
    wake_everything()
    with Receiver('json:{"status": "sent"}') as receiver:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{receiver.port}"}
        yield Connector(
            name="order",
            kind=Connector.Kind.HTTP,
            url=f"http://127.0.0.1:{receiver.port}/{{number}}",
            columns={"status": "status"},
            slots={"number": {"pattern": r"A\d{5}", "ask": "订单号？", "ask_en": "Which one?"}},
            template="订单 {number} 已发出。",
            template_en="Order {number} was sent.",
        )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "你好",
            "转人工",
            "人工",
            "谢谢",
            "在吗",
            "退货",
            "运费谁出",
            "A20231 到哪了",
            "SF1234567890 的物流",
        ),
        *(
            "我的 iPhone 坏了",
            "我想买 MacBook Pro Max",
            "refund 到哪了",
            "hi 请查一下话费",
            "再见",
            "开发票",
            "wifi连不上怎么办",
            "我的訂單在哪裡",
        ),
    ],
)
def test_it_knows_chinese(text: str) -> None:
    assert language_of(text) == "zh-hans"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Where is my order?",
            "how much is it",
            "I lost a parcel",
            "Has A10001 arrived?",
            "real person please",
        ),
        *(
            "Cancel order and refund payment",
            "my order isn't here",
            "what about A10002",
            "track order A20231",
            "talk to a human",
        ),
    ],
)
def test_it_knows_english(text: str) -> None:
    assert language_of(text) == "en"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "?",
            "📎",
            "OK",
            "ok",
            "hi",
            "Hello",
            "thank you",
            "好",
            "A10001",
            "SF-1234-AB",
            "13912345678",
            "2026-11-02",
        ),
        *("王小明", "Alice Smith", "iPhone 15 Pro Max", "The North Face", "vera@what.example.com"),
        *(
            "https://example.com/how/do/you/return/it",
            "Ship to 北京市朝阳区?",
            "How can I 退货",
            "are you an AI 还是真人",
        ),
        *("配送はいつですか", "언제 도착하나요", "Où est ma commande"),
    ],
)
def test_it_tells_nothing_from_what_may_be_written_in_either_language(text: str) -> None:
    assert language_of(text) == ""


def test_it_stays_with_the_last_language_that_was_clear() -> None:
    before = Dialogue(((ENGLISH, "Which one?"), (CHINESE, "订单号？"), ("OK", "好的。")))
    assert spoken("A10001", before, "en") == "zh-hans"
    assert spoken(ENGLISH, before, "zh-hans") == "en"
    assert spoken("A10001", Dialogue((("OK", "好的。"),)), "en") == "en"


# --- In the lanes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", BOTH)
@pytest.mark.parametrize(("question", "language"), LANGUAGES)
async def test_it_calls_a_person_at_once_in_the_language_of_the_question(
    question: str, language: str, locale: str
) -> None:
    asks = {"zh-hans": "我要转人工", "en": "I want to talk to a person"}[language]
    with translation.override(locale):
        turn = await answered(asks, locale=locale)
        assert translation.get_language() == locale  # the widget's own words are as they were
        reason = str(turn.answer.hand_over) if turn.answer else ""
    assert turn.answer and turn.answer.text.startswith({"zh-hans": "好的", "en": "Of course"}[language])
    assert (turn.answer.language, turn.locale) == (language, locale)
    assert reason == {"zh-hans": "主动要求转人工", "en": "asked for a person"}[locale]  # agents read it


@pytest.mark.parametrize("locale", BOTH)
@pytest.mark.parametrize(
    ("question", "text"),
    [
        (CHINESE, "订单 A10001 已发出。"),
        (ENGLISH, "Order A10001 was sent."),
    ],
)
async def test_a_worker_tells_what_it_looked_up_in_the_language_of_the_question(
    shop: Connector, question: str, text: str, locale: str
) -> None:
    wants = Intent(name="order_status", action=Intent.Action.LOOK_UP, connector=shop)
    mind = a_mind(intent=wants, connectors=(shop,))
    turn = await answered(question, mind, lane=Lane.WORKER, locale=locale)
    assert turn.answer and (turn.answer.mode, turn.answer.text) == ("look_up", text)


@pytest.mark.parametrize(
    ("before", "text"), [(CHINESE, "订单 A10001 已发出。"), ("OK", "Order A10001 was sent.")]
)
async def test_a_number_alone_is_answered_in_the_language_that_was_spoken(
    shop: Connector, before: str, text: str
) -> None:
    waiting = Dialogue(((before, "?"),), {"connector": "order", "slot": "number"})
    mind = a_mind(connectors=(shop,))
    turn = await answered("A10001", mind, lane=Lane.WORKER, locale="en", dialogue=waiting)
    assert turn.answer and turn.answer.text == text


@pytest.mark.parametrize("locale", BOTH)
@pytest.mark.parametrize(("question", "language"), LANGUAGES)
async def test_it_gives_up_in_the_language_of_the_question(question: str, language: str, locale: str) -> None:
    turn = a_turn(question, lane=Lane.WORKER, locale=locale)
    await surrender(turn)
    sorry = {"zh-hans": "抱歉", "en": "Something went wrong"}[language]
    assert turn.answer and sorry in turn.answer.text


@pytest.mark.parametrize("locale", BOTH)
@pytest.mark.parametrize(("question", "language"), [*LANGUAGES, ("A10001", ""), ("OK", "")])
def test_a_model_is_told_the_rules_in_that_language(question: str, language: str, locale: str) -> None:
    rules = prompt_for(a_turn(question, locale=locale), 1000)[0]["content"]
    assert rules[:3] == RULES[language or locale][:3]
