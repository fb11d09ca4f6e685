"""The ladder under load: two model servers that fail in their ways drive it down, and it climbs back by itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from inference import breaker, changes, degrade, load, pipeline, shared
from inference.mind import Mind
from inference.models import Provider
from inference.places import changes_of
from inference.turn import Lane, Rung, Turn
from tenants.models import Tenant
from tests.inference.turns import STEPS_AFTER_RETRIEVAL, a_mind, a_passage, a_turn
from tests.model_server import LATE, ModelServer

pytestmark = pytest.mark.slow
PASSAGES = (a_passage("七天内质量问题可以换货，来回运费由我们承担。"),)
FIGURES = "vllm:num_requests_running 4\nvllm:num_requests_waiting {waiting}\n"
WITHIN = 25.0  # seconds for the ladder to get where it should


@pytest.fixture
def servers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModelServer, ModelServer]]:
    """The full and the light one; seconds of the product are tenths here."""
    monkeypatch.setattr(degrade, "STEP", 0.2)
    monkeypatch.setattr(breaker, "COOL_DOWN", 0.3)
    monkeypatch.setattr(breaker, "LONGEST_COOL_DOWN", 0.6)
    monkeypatch.setattr(load, "EVERY", 1)
    monkeypatch.setattr(shared, "BUCKET", 1)
    with ModelServer() as full, ModelServer() as light:
        settings.OUTBOUND_ALLOW = {full.place, light.place}
        yield full, light


@pytest.fixture
async def tenant(live_acme: Tenant) -> Tenant:
    with ModelServer() as other:  # what is loaded with the first question of all says nothing about a server
        await asked(live_acme, a_mind(providers=(Provider(name="other", base_url=other.url, model="echo"),)))
    policy = live_acme.policy  # of this test alone: it is not saved
    policy.ladder_first_token, policy.ladder_stay = LATE / 2, 1
    return live_acme


def mind_of(servers: tuple[ModelServer, ModelServer], first_token: float = 1.0) -> Mind:
    made = zip(("full", "light"), servers, strict=True)
    return a_mind(
        providers=tuple(
            Provider(
                name=f"{role} one", role=role, base_url=server.url, model="says:可以换。", vendor="vllm",
                first_token_seconds=first_token, next_token_seconds=0.2,
            )
            for role, server in made
        )
    )  # fmt: skip


async def asked(tenant: Tenant, mind: Mind, wait: float = 0.0) -> Turn:
    turn = a_turn("电饭煲坏了能换吗", mind, tenant=tenant, lane=Lane.WORKER, passages=PASSAGES, waited=wait)
    turn.query = turn.question
    await pipeline.search(turn, (degrade.choose_rung, *STEPS_AFTER_RETRIEVAL))
    return turn


async def until(rung: Rung, tenant: Tenant, mind: Mind, wait: float = 0.0) -> AsyncIterator[str]:
    """Asks until the ladder stands there; every question gets an answer meanwhile, whole or quoted. The rungs on the way."""
    deadline = time.monotonic() + WITHIN
    seen = ""
    while seen != rung:
        assert time.monotonic() < deadline, f"waited in vain for {rung}, is {seen}"
        turn = await asked(tenant, mind, wait)
        assert turn.answer and turn.answer.mode in {"generated", "extract", "busy"}
        assert turn.answer.mode != "generated" or turn.answer.text == "可以换。"
        now = turn.path[0]["rung"]
        if now != seen:
            yield now
        seen = now


async def way(rung: Rung, tenant: Tenant, mind: Mind, wait: float = 0.0) -> list[str]:
    return [one async for one in until(rung, tenant, mind, wait)]


def noted(tenant: Tenant) -> list[tuple[str, str, str]]:
    """Oldest first: (before, after, why)."""
    lines = shared.read([], [], [changes_of(tenant)])[1][0]
    rungs = [change for change in map(changes.unpacked, reversed(lines)) if change.kind == "rung"]
    return [(change.before, change.after, change.why) for change in rungs]


async def test_slowness_drives_it_down_and_it_climbs_back(
    servers: tuple[ModelServer, ModelServer], tenant: Tenant, live_globex: Tenant
) -> None:
    full, light = servers
    mind = mind_of(servers)
    before = REGISTRY.get_sample_value("kefu_rung_changes_total", {"before": "full", "after": "light"}) or 0
    assert await way(Rung.FULL, tenant, mind) == ["full"]
    full.script = "late"
    assert await way(Rung.LIGHT, tenant, mind) == ["full", "light"]
    light.script = "late"
    assert await way(Rung.EXTRACT, tenant, mind) == ["light", "extract"]
    neighbour = await asked(live_globex, a_mind(providers=mind.providers))
    assert neighbour.path[0]["rung"] == Rung.FULL
    full.script = light.script = ""
    assert await way(Rung.FULL, tenant, mind) == ["extract", "light", "full"]
    assert noted(tenant) == [
        ("full", "light", "first token"),
        ("light", "extract", "first token"),
        ("extract", "light", "first token"),
        ("light", "full", "first token"),
    ]
    assert noted(live_globex) == []
    after = REGISTRY.get_sample_value("kefu_rung_changes_total", {"before": "full", "after": "light"})
    assert after == before + 1


@pytest.mark.parametrize("fault", ["fail-500", "rate-429", "stalls", "silent"])
async def test_a_broken_server_is_left_alone_and_tried_again(
    servers: tuple[ModelServer, ModelServer], tenant: Tenant, fault: str
) -> None:
    full, light = servers
    tenant.policy.ladder_errors = tenant.policy.ladder_first_token = 0
    mind = mind_of(servers, first_token=0.15)
    full.script = fault
    assert (await way(Rung.LIGHT, tenant, mind))[-1] == "light"
    light.script = fault
    assert (await way(Rung.EXTRACT, tenant, mind))[-1] == "extract"
    full.script = light.script = ""
    assert (await way(Rung.FULL, tenant, mind))[-1] == "full"
    assert ("full", "light", "breaker") in noted(tenant)


async def test_the_servers_own_figures_drive_it_down_and_back(
    servers: tuple[ModelServer, ModelServer], tenant: Tenant
) -> None:
    full, _light = servers
    mind = mind_of(servers)
    full.figures = FIGURES.format(waiting=0)
    assert await way(Rung.FULL, tenant, mind) == ["full"]
    full.figures = FIGURES.format(waiting=400)
    assert await way(Rung.LIGHT, tenant, mind) == ["full", "light"]
    full.figures = FIGURES.format(waiting=0)
    assert await way(Rung.FULL, tenant, mind) == ["light", "full"]
    assert [why for *_rungs, why in noted(tenant)] == ["load", "load"]


async def test_a_long_queue_drives_it_down_to_a_person_and_up_again(
    servers: tuple[ModelServer, ModelServer], tenant: Tenant
) -> None:
    mind = mind_of(servers)
    assert await way(Rung.HUMAN, tenant, mind, wait=100) == ["light", "extract", "human"]
    turn = await asked(tenant, mind, wait=100)
    assert turn.answer and (turn.answer.mode, turn.answer.open) == ("busy", {"offer": "person"})
    assert await way(Rung.FULL, tenant, mind) == ["human", "extract", "light", "full"]
