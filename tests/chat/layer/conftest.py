"""Channel layers as separate processes have them, and a Redis for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat import exchange
from chat.layer import BellLayer
from kefu.dev import redis
from tests.chat.layer.parts import Make, Store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for all tests that do it no harm."""
    store = Store(tmp_path_factory.mktemp("layer") / "redis", redis.fresh_url())
    yield store
    store.stop()


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[Store]:
    """One for a test of its own."""
    store = Store(tmp_path / "redis", redis.fresh_url())
    yield store
    store.stop()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine too, whoever is added to a group waits until Redis has confirmed it."""
    monkeypatch.setattr(exchange, "PROMPT", 60)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """`make(url)` is our layer as one more process has it; the tests' end closes it."""
    made: list[Any] = []

    def new(url: str, kind: Any = BellLayer, **options: Any) -> Any:
        place = {"address": url} if kind is BellLayer else {"hosts": [url]}
        made.append(kind(**place, prefix="test", **options))
        return made[-1]

    yield new
    for layer in made:
        await layer.flush()
