"""What all workers know together: small values that change by compare-and-set, sums of the last minute, and lists of what happened.

It lives in Redis, which may forget it at any moment, and then everything counts as well. While Redis is away, each process goes on
with what it knew and what it finds out alone.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from redis import RedisError

from tenants.gather import Gathered
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


# Keys of values; and of each sum the keys of its buckets.
Look = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


async def look(values: Sequence[str], sums: Sequence[str] = ()) -> Seen:
    """All in one round trip, which answers that are made at the same time share."""
    return await _look((tuple(values), tuple(map(tuple, map(_buckets, sums)))))


async def _look_up(looks: list[Look]) -> list[Seen]:
    if not _is_away():
        keys = list(dict.fromkeys(key for values, _sums in looks for key in values))
        hashes = list(
            dict.fromkeys(bucket for _values, sums in looks for buckets in sums for bucket in buckets)
        )
        try:
            async with redis().pipeline(transaction=False) as commands:
                for key in keys:
                    commands.get(key)
                for key in hashes:
                    commands.hgetall(key)
                answers = await commands.execute()
        except RedisError:
            _lost()
        else:
            found = dict(zip([*keys, *hashes], answers, strict=True))
            for key in keys:
                _remember(_known.values, key, found[key] or b"")
            return [
                Seen(
                    [found[key] or b"" for key in values],
                    [_added(map(found.__getitem__, sum)) for sum in sums],
                )
                for values, sums in looks
            ]
    return [
        Seen(
            [_known.values.get(key, b"") for key in values],
            [sum((_known.sums.get(key, Counter()) for key in buckets), Counter()) for buckets in sums],
        )
        for values, sums in looks
    ]


_look: Gathered[Look, Seen] = Gathered(_look_up)


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
    await _add((_buckets(key)[0], amounts))


async def _add_up(added: list[tuple[str, Mapping[str, int]]]) -> list[None]:
    by_bucket: dict[str, Counter[str]] = {}
    for bucket, amounts in added:
        by_bucket.setdefault(bucket, Counter()).update(amounts)
    done = [None] * len(added)
    if not _is_away():
        try:
            async with redis().pipeline(transaction=False) as commands:
                for bucket, sums in by_bucket.items():
                    for name, amount in sums.items():
                        commands.hincrby(bucket, name, amount)
                    commands.expire(bucket, BUCKET * (BUCKETS + 1))
                await commands.execute()
            return done
        except RedisError:
            _lost()
    for bucket, sums in by_bucket.items():
        _remember(_known.sums, bucket, _known.sums.get(bucket, Counter()) + sums)
    return done


_add: Gathered[tuple[str, Mapping[str, int]], None] = Gathered(_add_up)


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
    buckets = [answers[start : start + BUCKETS] for start in range(middle, end, BUCKETS)]
    return Seen(found, [_added(one) for one in buckets]), answers[end:]


def _buckets(key: str) -> list[str]:
    """The running one first."""
    now = int(time.time() // BUCKET)
    return [f"{key}:{now - age}" for age in range(BUCKETS)]


def _added(buckets: Iterable[dict[bytes, bytes]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for bucket in buckets:
        total.update({name.decode(): int(amount) for name, amount in bucket.items()})
    return total


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
