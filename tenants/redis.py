"""Connections to Redis, one a loop for coroutines and one a process for everybody else; and whose a key is."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from weakref import WeakKeyDictionary

from django.conf import settings
from redis import Redis
from redis import asyncio as aioredis

PATIENCE = 1.0  # seconds: all that is asked here can be done without, and a visitor may be waiting for it

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, aioredis.Redis] = WeakKeyDictionary()


def redis() -> aioredis.Redis:
    """For coroutines: connections belong to the loop that opened them."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = aioredis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
        )
    return _clients[loop]


@cache
def sync_redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)


# Every key of a tenant's begins with its schema in braces, alone or with what else keeps keys in one slot of a cluster.
OWNER = re.compile(r"kefu:\{([a-z0-9_]+)[:}]")


def owner_of(key: str) -> str | None:
    """The schema of the tenant that a key belongs to, if it names one."""
    found = OWNER.match(key)
    return found[1] if found else None
