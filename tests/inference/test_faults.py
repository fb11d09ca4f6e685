"""Whatever a model server does, the visitor gets a proper answer or the offer of a person, and never half an answer as a whole one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from inference import breaker, clients, degrade, generation, llm, shared
from inference.models import Provider
from inference.places import place_of
from inference.turn import Lane, Rung, Tokens
from tests.inference.turns import a_mind, a_passage, a_turn, answered_from, company
from tests.model_server import ModelServer

QUESTION = "电饭煲坏了能换吗"
PASSAGES = (a_passage("七天内质量问题可以换货，来回运费由我们承担。"),)
UNSURE = (a_passage("门店的营业时间是早上九点到晚上九点。", sure=0.45),)
GOOD = "says:可以换，|运费我们出。"
HALF = ("One moment", "It is so that", "七天内可以", "还有")

# Faults by when they show: before the first token another server is asked, afterwards nobody is.
BEFORE = (
    "fail-500",
    "rate-429",
    "too-long",
    "silent",
    "garbage",
    "odd",
    "empty",
    "flood",
    "says-nothing-and-hangs-up",
)
AFTER = ("stalls", "cut", "half", "filtered", "endless")


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    monkeypatch.setattr(clients, "MOST_BYTES", 2_000_000)
    monkeypatch.setattr(llm, "AFTERWARDS", 0.5)
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place, "127.0.0.1:9"}
        yield server


def a_provider(server: ModelServer, model: str, role: str = "full", **fields: Any) -> Provider:
    patience = {"first_token_seconds": 0.5, "next_token_seconds": 0.3, "max_tokens": 20}
    place = {"name": f"{role} {model}", "base_url": server.url, "model": model, "role": role}
    return Provider(**place | patience | fields)


def refused(role: str = "full") -> Provider:
    return Provider(name="refused", base_url="http://127.0.0.1:9/v1", model="gone", role=role)


def failing(server: ModelServer, fault: str) -> Provider:
    return refused() if fault == "refused" else a_provider(server, fault)


@pytest.mark.parametrize("fault", ["refused", *BEFORE, *AFTER])
async def test_it_quotes_the_passage_where_there_is_no_other_server(server: ModelServer, fault: str) -> None:
    turn, _ = await answered_from(PASSAGES, QUESTION, a_mind(providers=(failing(server, fault),)))
    assert turn.answer and turn.answer.mode == "extract"
    assert "可以换货" in turn.answer.text
    assert not any(half in turn.answer.text for half in HALF)
    assert turn.rung == Rung.EXTRACT
    assert len(server.requests) == (0 if fault == "refused" else 1)  # nobody asks the same one again


@pytest.mark.parametrize("fault", ["refused", *BEFORE, *AFTER])
async def test_it_offers_a_person_where_nothing_is_known_either(server: ModelServer, fault: str) -> None:
    turn, _ = await answered_from(UNSURE, QUESTION, a_mind(providers=(failing(server, fault),)))
    assert turn.answer and (turn.answer.mode, turn.answer.open) == ("unknown", {"offer": "person"})
    assert not any(half in turn.answer.text for half in HALF)


@pytest.mark.parametrize("fault", ["refused", *BEFORE])
async def test_it_asks_the_next_server_before_the_first_token(server: ModelServer, fault: str) -> None:
    mind = a_mind(providers=(failing(server, fault), a_provider(server, GOOD, "light")))
    turn, shown = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.answer and (turn.answer.mode, turn.answer.text) == ("generated", "可以换，运费我们出。")
    assert shown.text == turn.answer.text
    assert turn.rung == Rung.LIGHT and turn.path[0]["tried"] == [mind.providers[0].name]


@pytest.mark.parametrize("fault", AFTER)
async def test_it_asks_nobody_else_once_there_was_a_token(server: ModelServer, fault: str) -> None:
    mind = a_mind(providers=(failing(server, fault), a_provider(server, GOOD, "light")))
    turn, _ = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.answer and turn.answer.mode == "extract"
    assert [request.body["model"] for request in server.requests] == [fault]


async def test_it_has_one_budget_of_retries_for_all_servers_together(server: ModelServer) -> None:
    full = [
        a_provider(server, "fail-500", extra_body={"n": n}, base_url=f"{server.url}/{n}") for n in range(6)
    ]
    turn, _ = await answered_from(PASSAGES, QUESTION, a_mind(providers=(*full,)))
    assert turn.answer and turn.answer.mode == "extract"
    assert len(server.requests) == 1 + generation.RETRIES


async def test_it_leaves_the_next_server_half_of_the_time(server: ModelServer) -> None:
    slow = a_provider(server, "silent", first_token_seconds=60)
    mind = a_mind(providers=(slow, a_provider(server, GOOD, "light")))
    turn, _ = await answered_from(PASSAGES, QUESTION, mind, seconds=6)
    assert turn.answer and turn.answer.mode == "generated"


async def test_it_asks_the_light_server_alone_on_the_rung_of_that_name(server: ModelServer) -> None:
    mind = a_mind(providers=(a_provider(server, "says:full"), a_provider(server, "fail-500", "light")))
    turn, _ = await answered_from(PASSAGES, QUESTION, mind, rung=Rung.LIGHT)
    assert turn.answer and turn.answer.mode == "extract"
    assert [request.body["model"] for request in server.requests] == ["fail-500"]


@pytest.mark.parametrize("kind", ["thinks", "lingers", "newer", "late"])
async def test_it_is_content_with_a_server_that_is_only_peculiar(server: ModelServer, kind: str) -> None:
    turn, _ = await answered_from(PASSAGES, QUESTION, a_mind(providers=(a_provider(server, kind),)))
    assert turn.answer and (turn.answer.mode, turn.answer.text) == ("generated", "可以换。")


async def test_it_learns_once_what_a_server_calls_its_parameters(server: ModelServer) -> None:
    for _ in range(2):
        await answered_from(PASSAGES, QUESTION, a_mind(providers=(a_provider(server, "newer"),)))
    asked = [
        sorted({"max_tokens", "max_completion_tokens", "temperature"} & request.body.keys())
        for request in server.requests
    ]
    assert asked[-1] == ["max_completion_tokens"]
    assert len(asked) == 4  # two refusals, and two answers


async def test_it_does_not_take_too_long_a_prompt_for_a_name_or_a_broken_server(server: ModelServer) -> None:
    mind = a_mind(providers=(a_provider(server, "too-long"),))
    for _ in range(breaker.FAILURES + 1):
        await answered_from(PASSAGES, QUESTION, mind)
    assert len(server.requests) == breaker.FAILURES + 1
    assert all("max_tokens" in request.body for request in server.requests)
    key = breaker.key_of(place_of(company(), mind.providers[0]))
    assert breaker.unpacked((await shared.look([key])).values[0]) == breaker.Breaker()


async def test_it_leaves_a_server_alone_for_as_long_as_that_asks(server: ModelServer) -> None:
    mind = a_mind(providers=(a_provider(server, "rate-429"), a_provider(server, GOOD, "light")))
    for _ in range(3):
        turn, _ = await answered_from(PASSAGES, QUESTION, mind)
        assert turn.answer and turn.answer.mode == "generated"
    assert [request.body["model"] for request in server.requests] == ["rate-429", *[GOOD] * 3]
    key = breaker.key_of(place_of(company(), mind.providers[0]))
    rest = breaker.unpacked((await shared.look([key])).values[0]).open_until - time.time()
    assert 25 < rest <= 30


async def test_it_uses_a_connection_again(server: ModelServer) -> None:
    mind = a_mind(providers=(a_provider(server, GOOD),))
    for _ in range(3):
        turn, _ = await answered_from(PASSAGES, QUESTION, mind)
        assert turn.answer and turn.answer.mode == "generated"
    assert {request.connection for request in server.requests} == {1}


async def test_it_counts_thoughts_that_nobody_told_the_price_of(server: ModelServer) -> None:
    tokens, prompt = Tokens(), [{"role": "user", "content": "能换吗"}]
    async for _ in llm.stream(a_provider(server, "thinks"), prompt, 10, tokens):
        pass
    assert tokens.written == (8 * len("嗯".encode()) + len("可以换。".encode())) // 3
    assert (tokens.read, tokens.estimated) == (3, tokens.read + tokens.written)


# --- What it costs ----------------------------------------------------------------------------------------------------


async def test_it_counts_what_an_answer_costs_by_the_prices_of_who_gave_it(server: ModelServer) -> None:
    priced = {"input_price": Decimal("2.5"), "output_price": Decimal(10)}
    mind = a_mind(providers=(a_provider(server, "tells", **priced),))
    turn, _ = await answered_from(PASSAGES, QUESTION, mind)
    assert (turn.tokens.read, turn.tokens.written) == (40, 2)
    assert turn.tokens.cost == 40 * 2.5 + 2 * 10  # millionths
    assert turn.path[0]["cost"] == 0.00012


async def test_it_counts_what_a_failed_try_cost_beside_the_answer(server: ModelServer) -> None:
    full = a_provider(server, "odd", input_price=1)
    mind = a_mind(providers=(full, a_provider(server, "tells", "light", input_price=1, output_price=1)))
    turn, _ = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.answer and turn.answer.mode == "generated"
    assert turn.tokens.cost == turn.tokens.read + 2 > 42


@pytest.mark.parametrize(
    ("day", "visitor", "rung", "why"),
    [
        (0.0, 0.0, Rung.FULL, None),
        (0.79, 0.79, Rung.FULL, None),
        (0.8, 0.0, Rung.LIGHT, "allowance"),
        (1.0, 0.0, Rung.EXTRACT, "allowance"),
        (0.0, 0.8, Rung.LIGHT, "budget of the visitor"),
        (0.0, 1.0, Rung.EXTRACT, "budget of the visitor"),
        (0.8, 1.2, Rung.EXTRACT, "budget of the visitor"),
    ],
)
async def test_it_saves_before_it_stops(
    server: ModelServer, day: float, visitor: float, rung: Rung, why: str | None
) -> None:
    mind = a_mind(providers=(a_provider(server, "echo"), a_provider(server, "echo", "light")))
    turn = a_turn(QUESTION, mind, lane=Lane.WORKER, day_share=day, visitor_share=visitor)
    turn.path.append({"step": "choose_rung"})
    await degrade.choose_rung(turn)
    assert (turn.rung, turn.path[0].get("why")) == (rung, why)
    # What one visitor has used is no matter of others.
    other = a_turn(QUESTION, mind, lane=Lane.WORKER, day_share=day, path=[{"step": "choose_rung"}])
    await degrade.choose_rung(other)
    assert other.rung == degrade.rung_of_budget(day)
