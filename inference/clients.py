"""The HTTP clients below: one a provider, process and loop, so that connections are used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx2

from inference.models import Provider
from tenants.outbound import async_transport

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MOST_BYTES = 16 * 2**20  # of one answer, whatever is in it: no line without an end fills the memory
# Each idle connection is looked at again with every request and every answer: many of them cost more than a new one now and then.
LIMITS = httpx2.Limits(max_connections=1_000, max_keepalive_connections=20)

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[object, ...], AsyncOpenAI]] = (
    WeakKeyDictionary()
)


def warm_up() -> None:
    """Load the library before the first question waits for it."""
    import openai  # noqa: F401


def client(provider: Provider) -> AsyncOpenAI:
    """On a loop."""
    from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient

    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    key = (provider.base_url, provider.api_key, provider.api_version, provider.is_operators)
    if key not in clients:
        guarded = guard(provider, async_transport)
        line = DefaultAsyncHttpxClient(**guarded, limits=LIMITS, event_hooks={"response": [_bound]})
        make = AsyncAzureOpenAI if is_old_azure(provider) else AsyncOpenAI
        clients[key] = make(**account(provider), http_client=line)
    return clients[key]


def account(provider: Provider) -> dict[str, Any]:
    """No retries of their own: a turn's deadline and the ladder below it decide."""
    told = {"api_key": provider.api_key or "none", "max_retries": 0}
    if is_old_azure(provider):
        origin = urlsplit(provider.base_url)
        return told | {
            "azure_endpoint": f"{origin.scheme}://{origin.netloc}",
            "api_version": provider.api_version,
        }
    return told | {"base_url": provider.base_url}


def is_old_azure(provider: Provider) -> bool:
    """Whether the deployment stands in the address and the version in the query, as before /openai/v1."""
    return provider.vendor == Provider.Vendor.AZURE and bool(provider.api_version)


def guard(provider: Provider, transport: Callable[[], Any]) -> dict[str, Any]:
    """What an HTTP client needs for this provider: an address that a tenant chose is judged whenever a connection is made."""
    if provider.is_operators:
        return {}
    return {"transport": transport(), "trust_env": False, "follow_redirects": False}


async def _bound(response: httpx2.Response) -> None:
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self.stream:
            size += len(piece)
            if size > MOST_BYTES:
                raise httpx2.ReadError("The answer has no end.")
            yield piece

    async def aclose(self) -> None:
        await self.stream.aclose()
