"""Whether workers really consume: each sends a task to itself through the broker, and Redis keeps when it last came back.

A worker can live, answer `inspect ping` and yet take nothing from its queues any more, for example after Redis was away. Its own queue
is read by the same blocking command as the others, so what comes through there shows that they are read, too. A worker whose hands
are full takes nothing for a while and is well: it says so itself. Beat's own canary shows that beat and its workers are there.

    python -m kefu.canary llm       exits with 1 when this machine's worker of queue `llm` does not consume
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from functools import partial
from threading import Thread
from typing import Any

from celery import Celery, shared_task
from celery.utils.nodenames import worker_direct
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis, RedisError

from kefu import metrics

logger = logging.getLogger(__name__)

TASK = "kefu.canary"
EVERY = 15.0  # seconds
FRESH = 20.0  # seconds in which a worker that is well was heard
STALE = 45.0  # seconds without a canary after which a worker does not consume
PATIENCE = (
    60.0  # seconds that a worker has to be heard again: after Redis was away it takes up to 45 to come back
)
FORGOTTEN = 3600  # seconds after which it is taken for one that is gone for good
KEY = "kefu:canaries"  # workers, and "sweep@beat", by the time of Redis
EXPECTED = ("llm", "work", "sweep")
TIMEOUT = 2.0  # seconds for Redis
LAST = 15.0  # seconds for a worker that ends because it does not consume


# --- In a worker ------------------------------------------------------------------------------------------------------


@shared_task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
def sing(task: Any, name: str = "") -> None:
    note(name or task.request.hostname)


def note(name: str) -> None:
    with _redis() as redis:
        now, _microseconds = redis.time()
        redis.zadd(KEY, {name: now})
        redis.zremrangebyscore(KEY, 0, now - FORGOTTEN)


def start(app: Celery, node: str, room: int) -> None:
    """In the background of a worker that takes up to `room` tasks at once. It ends a worker that does not hear itself."""
    Thread(target=_go_on_singing, args=(app, node, room), name="canary", daemon=True).start()


def _go_on_singing(app: Celery, node: str, room: int) -> None:
    well = time.monotonic()
    while time.monotonic() - well < PATIENCE:
        try:
            if _held() < room:
                with (
                    app.connection_for_write() as line
                ):  # a new one: an old one may be as dead as the worker's
                    app.send_task(
                        TASK, queue=worker_direct(node), expires=EVERY, retry=False, connection=line
                    )
            else:
                note(node)
        except (RedisError, BrokerError, OSError) as error:
            logger.warning("No canary could be sent: %s", type(error).__name__)
        time.sleep(EVERY)
        if _is_heard(node, FRESH):
            well = time.monotonic()
    logger.critical("This worker lives and takes no tasks; it ends, to be started again")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST)
    os.kill(os.getpid(), signal.SIGKILL)


def _held() -> int:
    """Tasks that this worker has taken and not finished, canaries apart: one that is stuck must not look like work."""
    from celery.worker import state  # loads the whole worker, which the web process does not need

    return sum(request.name != TASK for request in list(state.requests.values()))


# --- Outside ----------------------------------------------------------------------------------------------------------


def ages(url: str = "") -> dict[str, float]:
    """Seconds since each worker ("llm@host") was last heard. Raises RedisError."""
    with _redis(url) as redis:
        now, _microseconds = redis.time()
        return {name.decode(): max(now - at, 0.0) for name, at in redis.zrange(KEY, 0, -1, withscores=True)}


def by_queue(heard: dict[str, float]) -> dict[str, list[float]]:
    """Ages of the workers of each queue that is expected to have some, the youngest first; empty for one without any."""
    return {
        queue: sorted(age for name, age in heard.items() if name.partition("@")[0] == queue)
        for queue in EXPECTED
    }


def consumes(queue: str, url: str = "", within: float = 0.0) -> bool:
    """Was this machine's worker of `queue` heard lately?"""
    return _is_heard(f"{queue}@{socket.gethostname()}", within or STALE, url)


def _is_heard(name: str, within: float, url: str = "") -> bool:
    """While Redis cannot be asked nobody can tell, and nobody is blamed."""
    try:
        return ages(url).get(name, within) < within
    except RedisError:
        return True


def expose() -> None:
    """Lets Prometheus ask for the age of the youngest canary of each queue."""
    for queue in EXPECTED:
        metrics.CANARY_AGE.labels(queue).set_function(partial(_youngest, queue))


def _youngest(queue: str) -> float:
    try:
        return next(iter(by_queue(ages())[queue]), float("inf"))
    except RedisError:
        return float("nan")


def _redis(url: str = "") -> Redis:
    from django.conf import settings

    address = url or settings.REDIS_URL
    return Redis.from_url(address, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


if __name__ == "__main__":
    sys.exit(not consumes(sys.argv[1]))
