"""A person takes over while a model is at its look-ups: what was begun is dropped, at the model's server and at the company's system."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat.models import PendingTurn
from inference.models import Connector
from tenants import actions
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import PATIENCE, Place, Socket, Visitor, of
from tests.chat.conftest import answer_to
from tests.chat.test_protocol import bots
from tests.model_server import ModelServer, Request
from tests.product import wait_until

pytestmark = pytest.mark.product

QUESTION = "电饭煲坏了能换吗，订单 A10001"
SLOTS = {"number": {"pattern": r"[A-Z]\d{5}", "ask": "订单号？"}}
OVER_HTTP = {"kind": "http", "method": "POST", "body": {"number": "{number}"}}
IN_TABLES = {"query": "SELECT %(number)s AS number"}


@pytest.fixture(params=["slow_order", "order"])
def order(
    request: pytest.FixtureRequest, acme_place: Place, live_acme: Tenant, model: ModelServer
) -> Iterator[Connector]:
    """Of a system that says nothing, which the scripted model's server plays too; or of Acme's own tables."""
    about: dict[str, Any] = IN_TABLES if request.param == "order" else OVER_HTTP | {"url": model.url}
    about |= {"slots": SLOTS, "template": "{number} 在路上。", "model_may_ask": True}
    with inside(live_acme):
        order = Connector.objects.create(name=request.param, title="查订单", **about)
    actions.touch(live_acme)
    wait_until(lambda: is_offered(order, acme_place, model))
    yield order
    with inside(live_acme):
        order.delete()
    actions.touch(live_acme)


def is_offered(order: Connector, place: Place, model: ModelServer) -> bool:
    """Whether the worker knows of it by now, and of nothing else."""
    known = len(model.requests)
    answer_to(f"{QUESTION} [says:可以换。]", place)
    tools = model.requests[known].body.get("tools", [])
    return [tool["function"]["name"] for tool in tools] == [order.name]


def the_next(model: ModelServer, known: int) -> Request:
    until = time.monotonic() + PATIENCE
    while len(model.requests) <= known:
        assert time.monotonic() < until, "nobody was asked"
        time.sleep(0.01)
    return model.requests[known]


def test_it_drops_what_a_model_began_when_a_person_takes_over(
    order: Connector,
    visitor: Visitor,
    tab: Socket,
    console: Callable[[str], Socket],
    model: ModelServer,
    live_acme: Tenant,
) -> None:
    ann, known = console("Ann"), len(model.requests)
    # The second request is the look-up itself, or the model's next round, which is told what was found.
    model.next = [
        f'calls:我来看一下。|{order.name} {{"number": "A10001"}}',
        "endless" if order.name == "order" else "silent",
    ]
    visitor.say(tab, QUESTION)
    first, second = the_next(model, known), the_next(model, known + 1)
    assert ("messages" in second.body) == (order.name == "order")
    assert ann.ask("conversation.take_over", conversation=visitor.conversation)["type"] == "ack"
    assert tab.expect("answer.end")["reason"] == "taken_over"
    assert second.left.wait(PATIENCE) and not first.left.is_set()
    answer_to(f"{QUESTION} [says:可以换。]", visitor.place)  # by when the worker would have gone on
    assert ann.ask("message.send", conversation=visitor.conversation, text="I am Ann.")["type"] == "ack"
    tab.expect(of("agent"), text="I am Ann.")
    assert len(model.requests) == known + 3  # nothing more was looked up or worded for the first question
    kinds = [frame["type"] for frame in tab.frames]
    after = kinds[kinds.index("answer.end") :]
    assert [kind for kind in after if kind.startswith("answer")] == ["answer.end"]
    assert bots(tab) == []
    with inside(live_acme):
        assert not PendingTurn.objects.filter(conversation=visitor.conversation).exists()
