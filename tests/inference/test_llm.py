"""A real server that misbehaves on request: what the visitor gets, what is shown meanwhile, and what the server learns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import translation

from inference import breaker, llm, shared
from inference.breaker import FAILURES, Breaker, State
from inference.degrade import choose_rung
from inference.dialogue import Dialogue
from inference.generation import ask_model
from inference.models import Provider
from inference.places import place_of
from inference.probe import probe
from inference.turn import Lane, Rung
from tenants import outbound
from tests.inference.turns import a_mind, a_passage, a_turn, answered_from, company
from tests.model_server import ModelServer

PATIENCE = 60  # seconds until what does not happen is missed
QUESTION = "电饭煲坏了能换吗"
PASSAGES = (a_passage("七天内质量问题可以换货，来回运费由我们承担。"),)
UNSURE = (a_passage("门店的营业时间是早上九点到晚上九点。", sure=0.45),)


@pytest.fixture
def server(settings: Any) -> Iterator[ModelServer]:
    """On loopback, which the operator allows."""
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place}
        yield server


def provider(server: ModelServer, model: str, role: Provider.Role = Provider.Role.FULL) -> Provider:
    return Provider(name=model[:20], base_url=server.url, model=model, api_key="key", role=role)


async def judged(provider: Provider) -> Breaker:
    """What every worker knows of it."""
    key = breaker.key_of(place_of(company(), provider))
    return breaker.unpacked((await shared.look([key])).values[0])


async def test_it_streams_what_the_model_says_and_cites_the_passages(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "says:可以换，|运费我们出。"),))
    turn, shown = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.answer and (turn.answer.text, turn.answer.mode) == ("可以换，运费我们出。", "generated")
    assert [source.title for source in turn.answer.sources] == ["售后政策"]
    assert shown.text == turn.answer.text
    assert server.requests[0].done.wait(PATIENCE)
    assert "来回运费由我们承担" in server.requests[0].said
    assert server.requests[0].question == QUESTION
    assert server.requests[0].headers["authorization"] == "Bearer key"


@pytest.mark.parametrize("model", ["fail-500", "rate-429", "garbage", "odd", "cut", "says-nothing"])
async def test_it_quotes_the_passage_when_the_model_fails(server: ModelServer, model: str) -> None:
    turn, _ = await answered_from(PASSAGES, QUESTION, a_mind(providers=(provider(server, model),)))
    assert turn.answer and turn.answer.mode == "extract"
    assert "可以换货" in turn.answer.text
    assert len(server.requests) == 1  # nobody asks again


async def test_it_quotes_the_passage_when_nobody_listens_at_the_address() -> None:
    nowhere = Provider(name="nowhere", base_url="http://127.0.0.1:9/v1", model="gone")
    turn, shown = await answered_from(PASSAGES, QUESTION, a_mind(providers=(nowhere,)))
    assert turn.answer and (turn.answer.mode, shown.text) == ("extract", "")


@pytest.mark.parametrize("model", ["silent", "stalls", "endless"])
async def test_it_ends_at_the_deadline_and_hangs_up(server: ModelServer, model: str) -> None:
    turn, _ = await answered_from(
        PASSAGES, QUESTION, a_mind(providers=(provider(server, model),)), seconds=0.4
    )
    assert turn.answer and turn.answer.mode == "extract"
    assert await asyncio.to_thread(server.requests[0].left.wait, PATIENCE)


async def test_it_ends_at_the_deadline_though_the_listener_is_slow(server: ModelServer) -> None:
    heard = list[str]()

    async def slow(piece: str) -> None:
        heard.append(piece)
        await asyncio.sleep(0.3)

    mind = a_mind(providers=(provider(server, "endless"),))
    turn = a_turn(QUESTION, mind, lane=Lane.WORKER, rung=Rung.FULL, passages=PASSAGES, emit=slow)
    turn.deadline = time.monotonic() + 0.4
    turn.path.append({"step": "ask_model"})
    await ask_model(turn)
    assert turn.rung == Rung.EXTRACT
    assert turn.path[0]["failed"] == "TimeoutError"
    assert len(heard) <= 2  # not all that had come meanwhile
    assert await asyncio.to_thread(server.requests[0].left.wait, PATIENCE)


async def test_it_hangs_up_when_the_turn_is_cancelled(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "endless"),))
    begun = asyncio.Event()

    async def listen(piece: str) -> None:
        begun.set()

    turn = a_turn(QUESTION, mind, lane=Lane.WORKER, rung=Rung.FULL, passages=PASSAGES, emit=listen)
    turn.path.append({"step": "ask_model"})
    asking = asyncio.ensure_future(ask_model(turn))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    asking.cancel()
    assert await asyncio.to_thread(server.requests[0].left.wait, PATIENCE)
    assert asking.cancelled() or (await asyncio.wait({asking}))
    assert (await judged(mind.providers[0])).failures == 0  # leaving is not the server's fault


async def test_it_stops_asking_a_server_that_failed_three_times(server: ModelServer) -> None:
    full = provider(server, "fail-500")
    light = provider(server, "says:可以换。", Provider.Role.LIGHT)
    mind = a_mind(providers=(full, light))
    for _ in range(FAILURES):
        await answered_from(PASSAGES, QUESTION, mind)
    turn = a_turn(QUESTION, mind, path=[{"step": "choose_rung"}])
    await choose_rung(turn)
    assert turn.rung == Rung.LIGHT
    states = [(await judged(one)).state(time.time()) for one in (full, light)]
    assert states == [State.OPEN, State.CLOSED]
    assert [request.body["model"] for request in server.requests].count("fail-500") == FAILURES


async def test_it_forgives_failures_after_an_answer(server: ModelServer) -> None:
    asked = provider(server, "asked")
    for script in ("fail-500", "fail-500", "says:好的。", "fail-500", "fail-500"):
        await answered_from(PASSAGES, f"能换吗 [{script}]", a_mind(providers=(asked,)))
    assert (await judged(asked)).state(time.time()) == State.CLOSED


async def test_it_tells_the_server_no_personal_data(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "echo"),))
    said = Dialogue((("我的邮箱是 vera@example.com", "记下了，尾号 13800138000"),))
    await answered_from(PASSAGES, "我的手机 13912345678 收不到短信", mind, dialogue=said)
    heard = server.requests[0].said
    assert "13912345678" not in heard and "13800138000" not in heard and "vera@example.com" not in heard
    assert "收不到短信" in heard


async def test_it_tells_the_server_personal_data_where_the_policy_allows_it(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "echo"),))
    tenant = company(mask_personal_data=False)
    await answered_from(PASSAGES, "我的手机 13912345678 收不到短信", mind, tenant=tenant)
    assert "13912345678" in server.requests[0].said


async def test_it_shows_no_blocked_word_that_comes_in_two_halves(server: ModelServer) -> None:
    mind = a_mind(
        words={"内幕消息": "block"}, providers=(provider(server, "says:告诉您一个|内幕|消|息：明天降价。"),)
    )
    turn, shown = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.answer and (turn.answer.mode, turn.answer.open) == ("refusal", {"offer": "person"})
    assert "内幕" not in shown.text and "降价" not in shown.text
    assert "内幕" not in turn.answer.text


async def test_it_masks_a_word_that_comes_in_two_halves(server: ModelServer) -> None:
    mind = a_mind(words={"竞品": "mask"}, providers=(provider(server, "says:比竞|品好用。"),))
    turn, shown = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.answer and turn.answer.text == "比**好用。"
    assert "竞" not in shown.text


async def test_it_admits_what_the_model_does_not_find_and_never_shows_its_words(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "says-unknown"),))
    turn, shown = await answered_from(UNSURE, "你们老板是谁", mind)
    assert turn.answer and (turn.answer.mode, turn.answer.open) == ("unknown", {"offer": "person"})
    assert shown.text == ""
    assert "资料" not in turn.answer.text


async def test_it_takes_a_false_promise_out_and_offers_a_person(server: ModelServer) -> None:
    turn, _ = await answered_from(PASSAGES, QUESTION, a_mind(providers=(provider(server, "promises"),)))
    assert turn.answer and turn.answer.open == {"offer": "person"}
    assert "已经为您退款" not in turn.answer.text
    assert "三天内到账" in turn.answer.text
    assert turn.path[-2]["fault"] == "promise"


async def test_it_notices_that_it_repeats_itself(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "says:可以换。"),))
    turn, _ = await answered_from(PASSAGES, QUESTION, mind, dialogue=Dialogue((("能换吗", "可以换。"),)))
    assert turn.answer and turn.answer.open == {"offer": "person"}
    assert turn.answer.text.startswith("可以换。\n\n")


async def test_it_asks_no_model_without_material(server: ModelServer) -> None:
    turn, _ = await answered_from((), QUESTION, a_mind(providers=(provider(server, "echo"),)))
    assert turn.answer and turn.answer.mode == "unknown"
    assert server.requests == []


# --- H34, H35: where a tenant's model server may be ---------------------------------------------------------------------


async def heard(provider: Provider) -> str:
    return "".join(
        [piece async for piece in llm.stream(provider, [{"role": "user", "content": "1 + 1 ="}], 10)]
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_h34_it_asks_no_server_that_the_operator_did_not_allow(
    server: ModelServer, settings: Any, host: str
) -> None:
    settings.OUTBOUND_ALLOW = set()
    inside = Provider(name="inside", base_url=f"http://{host}:{server.port}/v1", model="says:a secret")
    with pytest.raises(llm.ModelFailed):
        await heard(inside)
    with translation.override("en"):
        error = probe(inside).answer.error
        assert (
            "is not on the public internet. Whoever runs this installation can allow it: KEFU_OUTBOUND_ALLOW="
            in error
        )
        assert "Error:" not in error
    assert server.requests == []


async def test_h35_it_asks_no_server_whose_name_leads_inside_by_now(
    server: ModelServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was public when it was saved; and what is looked up is what is connected to, once."""
    settings.OUTBOUND_ALLOW = set()
    answers = iter([["1.1.1.1", "127.0.0.1"], ["127.0.0.1"]])
    monkeypatch.setattr(outbound, "resolve", lambda host, port: next(answers))
    moved = Provider(name="moved", base_url=f"http://models.example:{server.port}/v1", model="says:a secret")
    for _ in range(2):
        with pytest.raises(llm.ModelFailed):
            await heard(moved)
    assert server.requests == []


async def test_h36_it_asks_the_one_server_that_the_operator_allowed_and_not_the_one_beside_it(
    server: ModelServer,
) -> None:
    with ModelServer() as neighbour:
        assert await heard(provider(server, "says:two")) == "two"
        with pytest.raises(llm.ModelFailed):
            await heard(provider(neighbour, "says:a secret"))
        assert neighbour.requests == []


async def test_it_lets_the_operators_own_server_be_anywhere_but_no_row_with_its_address(
    server: ModelServer, settings: Any
) -> None:
    settings.OUTBOUND_ALLOW, settings.LLM_BASE_URL = set(), server.url
    assert await heard(provider(server, "says:two")) == "two"
    row = provider(server, "says:two")
    row._state.adding = False
    with pytest.raises(llm.ModelFailed):
        await heard(row)


async def test_h34_it_follows_no_redirect(server: ModelServer) -> None:
    with pytest.raises(llm.ModelFailed):
        await heard(provider(server, "moved"))
    assert len(server.requests) == 1


async def test_it_counts_the_tokens_that_the_server_names(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "tells"),))
    turn, _shown = await answered_from(PASSAGES, QUESTION, mind)
    assert (turn.tokens.total, turn.tokens.estimated) == (42, 0)


@pytest.mark.parametrize("model", ["says:可以换。", "cut", "odd"])
async def test_it_estimates_tokens_where_the_server_names_none(server: ModelServer, model: str) -> None:
    mind = a_mind(providers=(provider(server, model),))
    turn, _shown = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.tokens.total == turn.tokens.estimated >= len(server.requests[0].said.encode()) // 3


async def test_it_counts_nothing_for_a_request_that_was_refused(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "fail-500"),))
    turn, _shown = await answered_from(PASSAGES, QUESTION, mind)
    assert turn.tokens.total == 0


async def test_it_asks_a_server_that_refuses_to_count_no_second_time(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "old"),))
    for _ in range(2):
        turn, _shown = await answered_from(PASSAGES, QUESTION, mind)
        assert turn.answer and turn.answer.mode == "generated"
        assert turn.tokens.estimated > 0
    asked = ["stream_options" in request.body for request in server.requests]
    assert asked == [True, False, False]


async def test_it_asks_no_model_where_the_plan_is_used_up(server: ModelServer) -> None:
    mind = a_mind(providers=(provider(server, "echo"), provider(server, "slow", Provider.Role.LIGHT)))
    turn = a_turn(QUESTION, mind, lane=Lane.WORKER, used_up="tokens")
    turn.path.append({"step": "choose_rung"})
    await choose_rung(turn)
    assert turn.rung == Rung.EXTRACT
    assert turn.path[-1]["used_up"] == "tokens"
    assert server.requests == []
