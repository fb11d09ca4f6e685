"""What a tenant leaves in Redis: keys of its own, and tasks that wait or are being worked on."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from redis import Redis

from tenants.redis import owner_of, sync_redis

UNACKED, UNACKED_INDEX = "unacked", "unacked_index"  # kombu's: tasks that workers have taken and not finished


@dataclass(frozen=True)
class Task:
    """A message for the workers, where it lies."""

    key: str
    place: bytes  # itself in a queue, its tag among those that were taken
    names: frozenset[str]  # every text among its arguments: of a schema, of a row
    name: str


def all_keys() -> Iterator[str]:
    for key in sync_redis().scan_iter(count=1000):
        yield key.decode(errors="surrogateescape")


def belongs(key: str, schema_name: str) -> bool:
    """Not where it belongs to somebody else, who may well write the word."""
    owner = owner_of(key)
    return (
        owner == schema_name if owner else bool(re.search(rf"(?<![a-z0-9_]){schema_name}(?![a-z0-9_])", key))
    )


def remove_keys(schema_name: str) -> None:
    drop_keys(key for key in all_keys() if belongs(key, schema_name))


def drop_keys(keys: Iterable[str]) -> None:
    for key in [*keys]:
        sync_redis().unlink(key.encode(errors="surrogateescape"))


# --- Tasks ------------------------------------------------------------------------------------------------------------


def broker() -> Redis:
    return Redis.from_url(settings.CELERY_BROKER_URL)


def tasks() -> Iterator[Task]:
    """Every task that waits in any queue, or that a worker holds."""
    with broker() as line:
        for key in line.scan_iter(count=1000, _type="LIST"):
            for message in line.lrange(key, 0, -1):
                if task := _task(key.decode(errors="replace"), message, message):
                    yield task
        for tag, held in line.hgetall(UNACKED).items():
            message = json.loads(held)[0]
            if task := _task(UNACKED, tag, json.dumps(message).encode()):
                yield task


def _task(key: str, place: bytes, message: bytes) -> Task | None:
    """None for what is no message of Celery's."""
    try:
        envelope = json.loads(message)
        arguments = json.loads(base64.b64decode(envelope["body"]))
        named = frozenset(value for value in arguments[0] if isinstance(value, str))
        return Task(key, place, named, envelope["headers"]["task"])
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def remove_tasks(schema_name: str) -> None:
    drop_tasks(task for task in tasks() if schema_name in task.names)


def drop_tasks(those: Iterable[Task]) -> None:
    found = [*those]
    with broker() as line:
        for task in found:
            if task.key == UNACKED:
                line.hdel(UNACKED, task.place)
                line.zrem(UNACKED_INDEX, task.place)
            else:
                line.lrem(task.key, 0, task.place)
