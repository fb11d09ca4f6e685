"""The Test button: what a server can do is found out by asking it, in its vendor's own way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from inference import llm
from inference.models import Provider
from inference.probe import probe
from inference.vendors import PRESETS, abilities_of
from tests.model_server import ModelServer


@pytest.fixture
def server(settings: Any) -> Iterator[ModelServer]:
    with ModelServer() as server:
        settings.OUTBOUND_ALLOW = {server.place}
        yield server


def a_provider(server: ModelServer, model: str, vendor: str = "openai", **fields: Any) -> Provider:
    about = {"name": vendor, "base_url": server.url, "model": model, "vendor": vendor, "api_key": "key"}
    return Provider(**about | abilities_of(vendor) | fields)


def test_it_finds_what_a_server_can_do(server: ModelServer) -> None:
    found = probe(a_provider(server, "able"))
    assert found.works and "able" in found.models.lines
    assert [(one.is_found, one.is_claimed) for one in found.abilities] == [(True, True)] * 4


def test_it_finds_what_a_server_cannot_do_though_the_form_says_so(server: ModelServer) -> None:
    found = probe(a_provider(server, "simple"))
    assert found.works
    assert [(one.is_found, one.is_claimed) for one in found.abilities] == [(False, True)] * 4
    assert [bool(one.error) for one in found.abilities] == [False, True, True, False]


def test_it_takes_a_call_that_is_written_as_a_block_for_one(server: ModelServer) -> None:
    found = probe(a_provider(server, "writes-calls"))
    assert [one.is_found for one in found.abilities][2]


def test_it_asks_for_no_abilities_where_nobody_answers(server: ModelServer) -> None:
    found = probe(a_provider(server, "fail-500"))
    assert not found.works and found.abilities == ()


def test_it_says_of_a_server_that_speaks_otherwise_that_it_does(server: ModelServer) -> None:
    error = probe(a_provider(server, "says:good")).answer.error  # a stream, for which nobody asked
    assert error.startswith("What it sends is not what the protocol says. (")


@pytest.mark.parametrize("vendor", sorted(PRESETS.keys() - {"onnx"}))  # which has no server
async def test_it_asks_each_vendor_in_its_own_words(server: ModelServer, vendor: str) -> None:
    provider = a_provider(server, "says:good", vendor, extra_body={"top_p": 0.5})
    prompt = [{"role": "user", "content": "1 + 1 ="}]
    assert "".join([piece async for piece in llm.stream(provider, prompt, 10)]) == "good"
    body, preset = server.requests[0].body, PRESETS[vendor]
    limits = {name: body[name] for name in ("max_tokens", "max_completion_tokens") if name in body}
    assert limits == {preset.token_parameter: provider.max_tokens}
    assert ("stream_options" in body) == preset.tells_usage
    assert {name: body[name] for name in preset.thinking_off} == preset.thinking_off
    assert body["top_p"] == 0.5


async def test_it_asks_azure_at_its_older_addresses(server: ModelServer) -> None:
    """The deployment in the path, the version in the query, the key in a header of its own."""
    provider = a_provider(server, "able", "azure", api_version="2024-10-21")
    assert probe(provider).works
    async for _piece in llm.stream(provider, [{"role": "user", "content": "1 + 1 ="}], 10):
        pass
    request = server.requests[-1]
    assert request.path == "/openai/deployments/able/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == "key" and "authorization" not in request.headers


async def test_it_asks_azure_at_its_newer_address_like_everybody(server: ModelServer) -> None:
    provider = a_provider(server, "says:good", "azure", base_url=f"{server.url}/openai/v1")
    async for _piece in llm.stream(provider, [{"role": "user", "content": "1 + 1 ="}], 10):
        pass
    request = server.requests[-1]
    assert request.path == "/v1/openai/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer key"
