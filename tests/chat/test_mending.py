"""An answer that could not be shown as it was, over real sockets and a real worker: what the visitor sees, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat.models import Message
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator
from tests.chat.client import Socket, Visitor, of
from tests.model_server import ModelServer, Request
from tests.product import wait_until

pytestmark = pytest.mark.product

QUESTION = "电饭煲坏了能换吗"
REFUSES, BETTER = "says:抱歉，|我不清楚。", "says:可以换，|您在订单里申请就行。"


def asked_since(model: ModelServer, begun: int) -> list[Request]:
    return model.requests[begun:]


def test_it_shows_the_better_answer_once_and_how_it_came_about(
    visitor: Visitor, tab: Socket, model: ModelServer, live_acme: Tenant, live_globex: Tenant
) -> None:
    model.next = [REFUSES, BETTER]
    visitor.say(tab, QUESTION)
    start = tab.expect("answer.start", timeout=60)
    assert tab.expect("answer.end", timeout=60)["reason"] == "done"
    message = tab.expect(of("bot"))
    assert (message["text"], message["stream"]) == ("可以换，您在订单里申请就行。", start["stream"])
    assert "".join(delta["text"] for delta in tab.all("answer.delta")) == "抱歉，我不清楚。"  # replaced by it
    assert [frame["seq"] for frame in visitor.history()[1]["messages"]] == [1, 2]
    with inside(live_acme):
        checked = Message.objects.get(conversation=visitor.conversation, mode="generated").path["steps"]
    row = next(step for step in checked if step["step"] == "check_answer")
    assert (row["fault"], row["ended"]) == ("refusal", "mended") and row["tokens_read"] > 0
    address = f"/admin/chat/conversation/{visitor.conversation}/change/"
    assert "refusal" in administrator(live_acme).get(address).content.decode()
    assert administrator(live_globex).get(address).status_code != 200


def test_it_says_nothing_more_once_a_person_has_taken_over(
    visitor: Visitor, tab: Socket, console: Callable[[str], Socket], model: ModelServer
) -> None:
    ann, begun = console("Ann"), len(model.requests)
    model.next = [REFUSES, "endless"]
    visitor.say(tab, "电饭煲坏了能不能换")  # not one that was answered before
    wait_until(lambda: len(asked_since(model, begun)) == 2)
    assert ann.ask("conversation.take_over", conversation=visitor.conversation)["type"] == "ack"
    assert tab.expect("answer.end")["reason"] == "taken_over"
    assert asked_since(model, begun)[1].left.wait(1)
    assert not any(of("bot")(frame) for frame in tab.frames)
