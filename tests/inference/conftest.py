"""No test learns from another how a model server did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis import RedisError

from inference import llm, load, shared
from inference.places import changes_of, ladder_of
from tenants.models import Tenant
from tenants.redis import sync_redis


@pytest.fixture(autouse=True)
def _forgets() -> Iterator[None]:
    shared._known = shared.Known()
    llm._refused.clear()
    load._asked.clear()
    with suppress(RedisError):  # where no test has needed one so far
        for schema in ("acme", "globex"):
            tenant = Tenant(schema_name=schema)
            sync_redis().delete(ladder_of(tenant), changes_of(tenant))
    yield
