"""How busy a model server is: its own figures under every name there is, the GPU where it has none, and nothing where nobody tells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from inference import load, shared
from inference.models import Provider
from inference.places import place_of
from inference.vendors import FIGURES
from tenants.models import Tenant
from tests.model_server import ModelServer

VLLM = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="qwen"} 6.0
vllm:num_requests_running{engine="1",model_name="qwen"} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="qwen"} 0.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="qwen"} 0.4
vllm:kv_cache_usage_perc{engine="1",model_name="qwen"} 0.7
"""


@pytest.mark.parametrize(
    ("vendor", "page", "expected"),
    [
        ("vllm", VLLM, 0.7),  # the fuller engine's
        (
            "vllm",
            "vllm:num_requests_running 2\nvllm:num_requests_waiting 6\nvllm:gpu_cache_usage_perc 0.5\n",
            0.75,
        ),
        ("vllm", "vllm:num_requests_running 2\nvllm:num_requests_waiting 0\n", 0.0),
        ("vllm", "process_cpu_seconds_total 3\n", None),
        ("sglang", "sglang:num_running_reqs 3\nsglang:num_queue_reqs 1\nsglang:token_usage 0.97\n", 0.97),
        (
            "trtllm",
            "trtllm_num_requests_running 1\ntrtllm_num_requests_waiting 1\ntrtllm_kv_cache_utilization 0.1\n",
            0.5,
        ),
        ("llamacpp", "llamacpp:requests_processing 4\nllamacpp:requests_deferred 46\n", 0.92),
        ("llamacpp", "llamacpp:requests_processing 0\nllamacpp:requests_deferred 0\n", 0.0),
        ("sglang", "", None),
    ],
)
def test_it_reads_each_vendors_figures(vendor: str, page: str, expected: float | None) -> None:
    assert load.load_in(page, FIGURES[vendor]) == expected


@pytest.fixture
def server(settings: Any) -> Iterator[ModelServer]:
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place}
        yield server


def a_provider(server: ModelServer, vendor: str = "vllm") -> Provider:
    return Provider(name="own", base_url=server.url, model=f"of {vendor}", vendor=vendor)


async def found(tenant: Tenant, provider: Provider) -> float | None:
    load.refresh(tenant, provider)
    await asyncio.gather(*load._asking)
    return load.unpacked((await shared.look([load.key_of(place_of(tenant, provider))])).values[0])


@pytest.mark.parametrize("vendor", FIGURES)
async def test_it_asks_at_the_vendors_own_path_and_shares_what_it_found(
    live_acme: Tenant, live_globex: Tenant, server: ModelServer, vendor: str
) -> None:
    names = FIGURES[vendor]
    server.figures = f"{names.running[0]} 1\n{names.waiting[0]} 3\n"
    provider = a_provider(server, vendor)
    assert await found(live_acme, provider) == 0.75
    shared._known = shared.Known()  # another process, which need not ask again
    load._asked.clear()
    server.figures = f"{names.running[0]} 1\n{names.waiting[0]} 0\n"
    assert await found(live_acme, provider) == 0.75
    key = load.key_of(place_of(live_globex, provider))
    assert (await shared.look([key])).values == [b""]


@pytest.mark.parametrize("figures", ["<html>not here</html>", "{}", "x" * (load.MOST_BYTES + 1)])
async def test_it_knows_nothing_where_no_figures_come(
    live_acme: Tenant, server: ModelServer, figures: str
) -> None:
    server.figures = figures
    assert await found(live_acme, a_provider(server)) is None


async def test_h34_it_asks_no_server_that_the_operator_did_not_allow(
    live_acme: Tenant, server: ModelServer, settings: Any
) -> None:
    settings.OUTBOUND_ALLOW = set()
    server.figures = VLLM
    assert await found(live_acme, a_provider(server)) is None
    assert server.connections == 0


async def test_it_asks_no_vendor_that_tells_nothing(live_acme: Tenant, server: ModelServer) -> None:
    assert await found(live_acme, a_provider(server, "openai")) is None
    assert server.connections == 0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A driver that says what the test wants; what is real of it is on machines that have one."""
    busy = [0, 0]
    library = SimpleNamespace(
        NVMLError=type("NVMLError", (Exception,), {}),
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(busy),
        nvmlDeviceGetHandleByIndex=lambda n: n,
        nvmlDeviceGetUtilizationRates=lambda n: SimpleNamespace(gpu=busy[n]),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    load._gpus.cache_clear()
    yield busy
    load._gpus.cache_clear()


async def test_it_takes_the_gpus_load_where_a_server_of_this_machine_tells_none(
    live_acme: Tenant, server: ModelServer, gpu: list[int]
) -> None:
    gpu[:] = 20, 80
    assert await found(live_acme, a_provider(server, "ollama")) == 0.8
    elsewhere = Provider(name="far", base_url="https://models.example/v1", model="any", vendor="ollama")
    assert await found(live_acme, elsewhere) is None
    server.figures = "vllm:num_requests_running 1\n"
    assert await found(live_acme, a_provider(server, "vllm")) == 0.0


async def test_it_takes_no_single_look_at_a_gpu_for_its_load(
    live_acme: Tenant, server: ModelServer, gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first(*_: object) -> bool:
        return True

    monkeypatch.setattr(shared, "lease", first)
    loads = []
    for busy in (0, 100, 100, 0):
        gpu[:] = busy, 0
        load._asked.clear()
        loads.append(await found(live_acme, a_provider(server, "ollama")))
    assert loads == pytest.approx([0.0, 0.2, 0.36, 0.288])


def test_it_does_without_a_gpu() -> None:
    load._gpus.cache_clear()
    assert load._gpus() == ()
