"""kombu's transport for Redis, mended in one place: a worker whose Redis goes away while it has tasks in hand goes on living.

kombu closes a channel whose line broke twice, the second time without the connection that knows the address; and what was in hand is
acknowledged on that channel later. Both then failed with an AttributeError, which nobody expects, and the worker ended. Told that the
line is lost, kombu's callers know what to do. What could not be acknowledged comes once more, and finds that it is done.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as LineLost


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise LineLost("This channel is closed.")
        known: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[no-untyped-call]
        return known


class Transport(redis.Transport):
    Channel = Channel


def use() -> None:
    """For every address of a Redis."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "kefu.broker:Transport"))
