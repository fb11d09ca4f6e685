"""What all workers know together: small values that change by compare-and-set, sums of the last minute, and lists of what happened.

It lives in Redis, which may forget it at any moment, and then everything counts as well. While Redis is away, each process goes on
with what it knew and what it finds out alone.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from redis import RedisError

from tenants.redis import redis, sync_redis

logger = logging.getLogger(__name__)

AWAY = 2.0  # seconds for which nobody waits for a Redis that did not answer
KEPT = 3600  # seconds without a change after which a value is forgotten
BUCKET = 15  # seconds that are summed up together
BUCKETS = 4  # ... of which so many are looked back on, the running one included
MOST = 10_000  # values that a process remembers for itself
SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


@dataclass
class Known:
    """What one process remembers, for when Redis is away."""

    values: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    sums: OrderedDict[str, Counter[str]] = field(default_factory=OrderedDict)
    away_until: float = float("-inf")


_known = Known()


@dataclass(frozen=True)
class Seen:
    """One look at several keys."""

    values: list[bytes]  # empty where there is none
    sums: list[Counter[str]]


async def look(values: Sequence[str], sums: Sequence[str] = ()) -> Seen:
    """All in one round trip."""
    buckets = [_buckets(key) for key in sums]
    if not _is_away():
        try:
            async with redis().pipeline(transaction=False) as commands:
                for key in values:
                    commands.get(key)
                for key in (bucket for keys in buckets for bucket in keys):
                    commands.hgetall(key)
                answers = await commands.execute()
        except RedisError:
            _lost()
        else:
            found = [answer or b"" for answer in answers[: len(values)]]
            for key, value in zip(values, found, strict=True):
                _remember(_known.values, key, value)
            return Seen(found, _added(answers[len(values) :]))
    return Seen(
        [_known.values.get(key, b"") for key in values],
        [sum((_known.sums.get(key, Counter()) for key in keys), Counter()) for keys in buckets],
    )


async def swap(key: str, old: bytes, new: bytes, seconds: int = KEPT) -> bool:
    """Whether the value was `old`, and is `new` from now on."""
    if not _is_away():
        try:
            if not await cast(Any, redis().eval(SWAP, 1, key, old, new, str(seconds))):
                return False
            _remember(_known.values, key, new)
            return True
        except RedisError:
            _lost()
    is_same = _known.values.get(key, b"") == old
    if is_same:
        _remember(_known.values, key, new)
    return is_same


async def add(key: str, amounts: Mapping[str, int]) -> None:
    bucket = _buckets(key)[0]
    if not _is_away():
        try:
            async with redis().pipeline(transaction=False) as commands:
                for name, amount in amounts.items():
                    commands.hincrby(bucket, name, amount)
                commands.expire(bucket, BUCKET * (BUCKETS + 1))
                await commands.execute()
            return
        except RedisError:
            _lost()
    counted = _known.sums.get(bucket, Counter())
    counted.update(amounts)
    _remember(_known.sums, bucket, counted)


async def put(key: str, value: bytes, seconds: int) -> None:
    if not _is_away():
        try:
            await redis().set(key, value, ex=seconds)
        except RedisError:
            _lost()


async def lease(key: str, seconds: int) -> bool:
    """Whether this caller is the first to ask in so many seconds. Nobody is while Redis is away."""
    if _is_away():
        return False
    try:
        return bool(await redis().set(key, b"1", ex=seconds, nx=True))
    except RedisError:
        _lost()
        return False


async def note(key: str, line: bytes, most: int, seconds: int) -> None:
    """Puts a line on top of a list."""
    if not _is_away():
        try:
            async with redis().pipeline(transaction=False) as commands:
                commands.lpush(key, line)
                commands.ltrim(key, 0, most - 1)
                commands.expire(key, seconds)
                await commands.execute()
        except RedisError:
            _lost()


def forget(key: str) -> None:
    """For pages. While Redis is away, others go on with what they know."""
    _known.values.pop(key, None)
    with suppress(RedisError):
        sync_redis().delete(key)


def read(values: Sequence[str], sums: Sequence[str], lists: Sequence[str]) -> tuple[Seen, list[list[bytes]]]:
    """For pages. Raises RedisError."""
    with sync_redis().pipeline(transaction=False) as commands:
        for key in values:
            commands.get(key)
        for key in (bucket for name in sums for bucket in _buckets(name)):
            commands.hgetall(key)
        for key in lists:
            commands.lrange(key, 0, -1)
        answers = commands.execute()
    middle, end = len(values), len(answers) - len(lists)
    found = [answer or b"" for answer in answers[:middle]]
    return Seen(found, _added(answers[middle:end])), answers[end:]


def _buckets(key: str) -> list[str]:
    """The running one first."""
    now = int(time.time() // BUCKET)
    return [f"{key}:{now - age}" for age in range(BUCKETS)]


def _added(answers: Sequence[dict[bytes, bytes]]) -> list[Counter[str]]:
    """Sums, each over its own buckets."""
    sums = []
    for start in range(0, len(answers), BUCKETS):
        total: Counter[str] = Counter()
        for bucket in answers[start : start + BUCKETS]:
            total.update({name.decode(): int(amount) for name, amount in bucket.items()})
        sums.append(total)
    return sums


def _remember(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST:
        memory.popitem(last=False)


def _is_away() -> bool:
    return time.monotonic() < _known.away_until


def _lost() -> None:
    if time.monotonic() > _known.away_until + 60:
        logger.warning("Redis is away: every process judges servers for itself")
    _known.away_until = time.monotonic() + AWAY
