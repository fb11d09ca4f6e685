"""How busy a model server is: by its own figures, where it tells them, else by the GPU of this machine, where the server is on it.

Asked for beside the answers, by one worker at a time; whoever answers reads what was found last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import msgpack
from prometheus_client.parser import text_string_to_metric_families

from inference import shared
from inference.local import processes
from inference.models import Provider
from inference.places import place_of
from inference.vendors import FIGURES, Figures
from kefu import metrics
from tenants.models import Tenant
from tenants.outbound import async_transport

logger = logging.getLogger(__name__)

EVERY = 5  # seconds between two times that a server is asked
FRESH = 20  # seconds for which its load is believed
PATIENCE = 3.0  # seconds for its answer
MOST_BYTES = 2_000_000  # of it
SMOOTH = 0.2  # weight of the newest look at a GPU: one answer alone keeps it busy for as long as it takes
LOCAL = {"localhost", "127.0.0.1", "::1"}


def key_of(place: str) -> str:
    return f"{place}:load"


def unpacked(packed: bytes) -> float | None:
    """0: idle, 1: as much as it can do, and somebody waits. None: not known."""
    return cast(float, msgpack.unpackb(packed)) if packed else None


_asked: dict[str, float] = {}
_asking: set[asyncio.Task[None]] = set()


def refresh(tenant: Tenant, provider: Provider) -> None:
    """Has the load asked for again, if nobody did so of late. On a loop; does not wait."""
    place, now = place_of(tenant, provider), time.monotonic()
    if now - _asked.get(place, float("-inf")) < EVERY or not (
        provider.is_local or _address(provider) or _has_own_gpu(provider)
    ):
        return
    _asked[place] = now
    task = asyncio.get_running_loop().create_task(_refresh(place, provider))
    _asking.add(task)
    task.add_done_callback(_asking.discard)


async def _refresh(place: str, provider: Provider) -> None:
    if not await shared.lease(f"{place}:asked", EVERY):
        return
    load = await _told(provider)
    if load is None and _has_own_gpu(provider):
        before = unpacked((await shared.look([key_of(place)])).values[0])
        load = await asyncio.to_thread(_gpu)
        load = load if load is None or before is None else SMOOTH * load + (1 - SMOOTH) * before
    if load is not None:
        await shared.put(key_of(place), msgpack.packb(load), FRESH)
        metrics.MODEL_LOAD.observe(load)


# --- By its own figures -----------------------------------------------------------------------------------------------


def _address(provider: Provider) -> str:
    """Empty where its vendor tells no figures."""
    figures = FIGURES.get(provider.vendor)
    base = urlsplit(provider.base_url)
    return f"{base.scheme}://{base.netloc}{figures.path}" if figures else ""


async def _told(provider: Provider) -> float | None:
    if provider.is_local:
        return processes.load_of(provider.model)
    if not _address(provider):
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            text = await _page(provider)
        return load_in(text, FIGURES[provider.vendor])
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, ValueError) as error:
        logger.info("%s does not tell its load: %s", provider.name, type(error).__name__)
        return None


async def _page(provider: Provider) -> str:
    """Raises ValueError where it is no page of figures."""
    headers = {"Authorization": f"Bearer {provider.api_key}"} if provider.api_key else {}
    guarded: Any = {} if provider.is_operators else {"transport": async_transport(), "trust_env": False}
    async with (
        httpx2.AsyncClient(timeout=PATIENCE, **guarded) as client,
        client.stream("GET", _address(provider), headers=headers) as answer,
    ):
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise ValueError("too long")
    if answer.status_code != 200:
        raise ValueError(str(answer.status_code))
    return body.decode()


def load_in(text: str, figures: Figures) -> float | None:
    """The fuller of its cache and its queue; several engines behind one address count together. Raises ValueError."""
    sums: defaultdict[str, float] = defaultdict(float)
    highest: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value
            highest[sample.name] = max(highest[sample.name], sample.value)
    running, waiting = _first(sums, figures.running), _first(sums, figures.waiting)
    used = _first(highest, figures.used)
    queue = waiting / (running + waiting) if running is not None and waiting else None
    known = [one for one in (used, queue, None if running is None else 0.0) if one is not None]
    return min(1.0, max(known)) if known else None


def _first(found: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((found[name] for name in names if name in found), None)


# --- By the GPU -------------------------------------------------------------------------------------------------------


def _has_own_gpu(provider: Provider) -> bool:
    return urlsplit(provider.base_url).hostname in LOCAL and bool(_gpus())


@cache
def _gpus() -> tuple[Any, ...]:
    """None without the library, or without a driver."""
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        return tuple(pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return ()


def _gpu() -> float | None:
    """Of the busiest."""
    import pynvml

    try:
        return max(float(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu) for gpu in _gpus()) / 100
    except pynvml.NVMLError:
        return None
