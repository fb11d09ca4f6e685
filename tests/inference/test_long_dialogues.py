"""A conversation that goes on and on: what the model reads does not grow, and holds what was said at the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inference.dialogue import Dialogue, after
from inference.models import Provider
from inference.prompt import prompt_for
from tests.inference.turns import a_mind, a_passage, a_turn, answered_from
from tests.model_server import ModelServer

PASSAGES = (a_passage("订单号在「我的订单」里可以看到。" * 20),)
ROOM = 3000  # characters of passages: what a provider has until somebody changes it
MY_NUMBER = "我的订单号是 A20231，昨天下的单"


def talked(turns: int, first: str = MY_NUMBER) -> Dialogue:
    said = after(Dialogue(), first, "好的，已经记下。", {})
    for number in range(1, turns):
        said = after(
            said, f"那第{number}种会员的积分规则是怎样的呢？", f"第{number}种会员每消费一元积一分。" * 4, {}
        )
    return said


def size(dialogue: Dialogue, room: int = ROOM) -> int:
    """Characters of all that the model reads."""
    prompt = prompt_for(a_turn("我刚开始说的订单号是多少？", dialogue=dialogue, passages=PASSAGES), room)
    return sum(len(message["content"]) for message in prompt)


@pytest.mark.parametrize("room", [300, 700, ROOM])
def test_it_reads_no_more_in_the_hundredth_turn_than_in_the_twentieth(room: int) -> None:
    nothing_said = size(Dialogue(), room)
    sizes = {turns: size(talked(turns), room) for turns in (5, 20, 40, 100)}
    assert all(nothing_said < one <= nothing_said + room // 2 + 20 for one in sizes.values()), sizes
    assert sizes[100] <= sizes[40] + 20 and sizes[40] <= nothing_said + room // 2 + 20


@pytest.mark.parametrize("room", [300, 700, ROOM])
@pytest.mark.parametrize("turns", [5, 20, 21, 40, 100])
def test_it_reads_what_was_named_at_the_beginning(turns: int, room: int) -> None:
    prompt = prompt_for(a_turn("我刚开始说的订单号是多少？", dialogue=talked(turns)), room)
    assert [message["role"] for message in prompt][:2] == ["system", "user"]
    assert "A20231" in "".join(message["content"] for message in prompt if message["role"] == "user")
    assert "A20231" not in prompt[0]["content"]  # a visitor's words are not the company's


def test_it_reads_them_in_the_visitors_language() -> None:
    prompt = prompt_for(
        a_turn("Which number did I tell you?", dialogue=talked(40, "My order is A20231.")), ROOM
    )
    assert prompt[1]["content"].startswith("(What I said before: My order is A20231; ")


def test_it_reads_nothing_twice_while_all_fits() -> None:
    prompt = prompt_for(a_turn("订单号是多少？", dialogue=talked(3)), ROOM)
    assert prompt[1]["content"] == MY_NUMBER
    assert "".join(message["content"] for message in prompt).count("A20231") == 1


@pytest.fixture
def server(settings: Any) -> Iterator[ModelServer]:
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place}
        yield server


async def test_it_can_say_after_thirty_turns_what_was_said_in_the_first(server: ModelServer) -> None:
    asked = Provider(name="full", base_url=server.url, model="says:是 A20231。", api_key="key", role="full")
    mind, question = a_mind(providers=(asked,)), "我刚开始说的订单号是多少？"
    turn, _ = await answered_from(PASSAGES, question, mind, dialogue=talked(31))
    assert turn.answer and turn.answer.mode == "generated"
    assert turn.answer.text.startswith("是 A20231。\n\n")  # and a person is offered, after so many turns
    assert "我的订单号是 A20231" in server.requests[0].said
    assert server.requests[0].question == question
    assert len(server.requests) == 1


async def test_it_hides_personal_data_that_fell_out_from_the_model(server: ModelServer) -> None:
    asked = Provider(name="full", base_url=server.url, model="echo", api_key="key", role="full")
    told = talked(31, "我的手机号是 13912345678")
    await answered_from(PASSAGES, "我的手机号是多少？", a_mind(providers=(asked,)), dialogue=told)
    assert (
        "13912345678" not in server.requests[0].said and "我的手机号是 139****5678" in server.requests[0].said
    )
