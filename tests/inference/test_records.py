"""A number alone does not say what is asked: "A20231 运费谁出？" is no question about where A20231 is."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from inference import intent, intents, pipeline, second
from inference.knowing import admit_unknown, quote_passage, tell_what_is_on_record
from inference.mind import Mind
from inference.models import Connector, Intent
from inference.second import SecondOpinion
from inference.turn import Lane, Turn
from kefu.demo import content
from tenants.models import Tenant
from tests.inference.test_connectors import each_has_table
from tests.inference.test_tools import a_model
from tests.inference.turns import a_mind, a_passage, a_turn, an_entry, answered_from, wake_everything
from tests.model_server import ModelServer

TABLE = (
    "CREATE TABLE record_test (number text, status text); INSERT INTO record_test VALUES ('A20231', '{} 的')"
)
ORDER = Connector(
    name="order_status",
    query="SELECT number, status FROM record_test WHERE number = %(number)s",
    slots={"number": {"pattern": r"(?<![A-Za-z0-9])[A-Za-z]\d{5}(?!\d)", "upper": True, "ask": "订单号？"}},
    template="订单 {number}：{status}。",
    nothing_found="没有订单 {number}。",
    model_may_ask=True,
)
STATUS = "订单 A20231：acme 的。"
SHIPPING = "质量问题换货，来回运费都由我们承担，快递员免费上门取件。"


@pytest.fixture(autouse=True)
def nothing_rests(services: None) -> None:
    wake_everything()


@pytest.fixture(scope="module")
def trained() -> tuple[intent.IntentModel, SecondOpinion]:
    """What the demo company's own examples teach."""
    rows = content.read("acme", "intents")
    models = intent.train_both([(text, row["name"]) for row in rows for text in row["examples"]])
    assert models.second
    return intent.load(models.quick), second.load(models.second)


@pytest.fixture
def mind(trained: tuple[intent.IntentModel, SecondOpinion], monkeypatch: pytest.MonkeyPatch) -> Mind:
    quick, opinion = trained

    async def stored(tenant: Tenant, mind: Mind) -> SecondOpinion:
        return opinion

    monkeypatch.setattr(intents, "second_of", stored)
    looks = Intent(name="order_status", action=Intent.Action.LOOK_UP, connector=ORDER)
    known = (an_entry("怎么取消订单？", "在订单详情里取消。"),)
    return replace(a_mind(intent=looks, connectors=(ORDER,), known=known), intent_model=quick)


@pytest.fixture
def shop(live_acme: Tenant, live_globex: Tenant) -> Iterator[Tenant]:
    with each_has_table("record_test", TABLE, live_acme, live_globex):
        yield live_acme


async def asked(question: str, mind: Mind, tenant: Tenant, **fields: Any) -> Turn:
    turn = a_turn(question, mind, tenant=tenant, lane=Lane.WORKER, locale="zh-hans", **fields)
    await pipeline.search(turn, pipeline.QUICK)
    return turn


@pytest.mark.parametrize(
    "question",
    [
        "查一下订单 A20231 到哪了",
        "A20231",
        "A20231怎么还没到",
        "帮忙看下A20231发货没有",
        "A20231派送了吗",
        "麻烦查下A20231的物流",
        "我要查A20231的快递单号",
        "订单A20231显示签收了但我没收到",
        "where is A20231",
        "status of A20231 please",
        "A20231 shipped?",
    ],
)
async def test_it_looks_up_where_the_look_up_is_what_is_asked(
    question: str, mind: Mind, shop: Tenant
) -> None:
    turn = await asked(question, mind, shop)
    assert turn.answer and (turn.answer.text, turn.answer.mode) == (STATUS, "look_up")
    assert turn.record is None


@pytest.mark.parametrize(
    ("question", "beside"),
    [
        ("A20231运费谁出", "运费谁出"),
        ("A20231买的吸尘器保修多久", "买的吸尘器保修多久"),
        ("帮我看看A20231能不能换个颜色", "帮我看看 能不能换个颜色"),
        ("A20231能便宜点吗", "能便宜点吗"),
        ("A20231的赠品怎么没有", "的赠品怎么没有"),
        ("A20231下单错了怎么办", "下单错了怎么办"),
        ("can I still cancel order A20231?", "can I still cancel order  ?"),
    ],
)
async def test_it_takes_the_record_along_where_more_is_asked(
    question: str, beside: str, mind: Mind, shop: Tenant
) -> None:
    turn = await asked(question, mind, shop)
    assert turn.answer is None
    if turn.detected and turn.detected.intent == "order_status":
        assert turn.on_record == STATUS and turn.asked == beside


async def test_it_answers_from_the_entry_that_is_asked_for_beside_the_number(
    mind: Mind, shop: Tenant
) -> None:
    turn = await asked("订单A20231可以取消吗", mind, shop)
    assert turn.answer and (turn.answer.text, turn.answer.mode) == ("在订单详情里取消。", "verbatim")


async def test_it_asks_a_worker_first(mind: Mind, shop: Tenant) -> None:
    turn = a_turn("A20231运费谁出", mind, tenant=shop)
    await pipeline.search(turn, pipeline.QUICK)
    assert turn.answer is None and turn.record is None


async def test_it_asks_no_second_opinion_in_the_quick_lane(
    mind: Mind, live_acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(tenant: Tenant, mind: Mind) -> None:
        raise AssertionError("it is too large for the web process")

    monkeypatch.setattr(intents, "second_of", never)
    two = copy(ORDER)
    two.slots = ORDER.slots | {"phone": {"kind": "phone", "ask": "手机号？"}}
    mind.intents["order_status"].connector = two
    turn = a_turn("A20231 到哪了", mind, tenant=live_acme)
    await pipeline.search(turn, pipeline.QUICK)
    assert turn.answer and turn.answer.text == "手机号？"


async def test_it_gives_the_model_record_and_passages(mind: Mind, shop: Tenant, settings: Any) -> None:
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place}
        mind = replace(mind, providers=(a_model(server, "says:运费由我们出，请在订单里申请。"),))
        first = await asked("A20231运费谁出", mind, shop)
        turn, shown = await answered_from(
            (a_passage(SHIPPING),), first.question, mind, tenant=shop, record=first.record
        )
    assert turn.answer and turn.answer.mode == "generated" and shown.text == turn.answer.text
    said = server.requests[0].said
    assert f"[查到的记录] {STATUS}" in said and SHIPPING in said and "globex" not in said
    assert "tools" not in server.requests[0].body  # what is on record need not be asked for once more


async def test_it_lets_no_model_guess_from_the_record_alone(mind: Mind, shop: Tenant, settings: Any) -> None:
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place}
        mind = replace(mind, providers=(a_model(server, "says:来得及。"),))
        first = await asked("A20231运费谁出", mind, shop)
        turn, shown = await answered_from((), first.question, mind, tenant=shop, record=first.record)
    assert turn.answer and turn.answer.mode == "look_up" and STATUS in turn.answer.text
    assert not server.requests and shown.text == ""


@pytest.mark.parametrize(
    ("passages", "mode"), [((a_passage(SHIPPING),), "extract"), ((), "look_up")], ids=["passage", "nothing"]
)
async def test_it_quotes_or_tells_what_it_has_without_a_model(
    passages: tuple[Any, ...], mode: str, mind: Mind, shop: Tenant
) -> None:
    turn = await asked("A20231运费谁出", mind, shop)
    turn.passages, turn.query = passages, turn.asked
    await pipeline.search(turn, (quote_passage, tell_what_is_on_record, admit_unknown))
    assert turn.answer and turn.answer.mode == mode
    assert (STATUS in turn.answer.text) == (mode == "look_up") == (turn.answer.open == {"offer": "person"})


async def test_it_says_that_it_could_not_look_up_rather_than_that_it_does_not_know(
    mind: Mind, shop: Tenant
) -> None:
    no_table = copy(ORDER)
    no_table.query = "SELECT number FROM no_table WHERE number = %(number)s"
    mind.intents["order_status"].connector = no_table
    turn = await asked("A20231运费谁出", mind, shop)
    assert turn.record and not turn.on_record
    await pipeline.search(turn, (quote_passage, tell_what_is_on_record, admit_unknown))
    assert turn.answer and turn.answer.mode == "look_up" and turn.answer.open == {"offer": "person"}


async def test_it_believes_the_quick_model_where_there_is_no_second(
    mind: Mind, shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(tenant: Tenant, mind: Mind) -> None:
        return None

    monkeypatch.setattr(intents, "second_of", none)
    turn = await asked("A20231运费谁出", mind, shop)
    assert turn.answer and turn.answer.text == STATUS
