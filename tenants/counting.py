"""How often something happens, for every limit there is: so many times in so many seconds.

Each process counts for itself, at once and without asking anybody; Redis adds the processes up. What a process counted is told to
Redis within a moment (`EVERY`), and Redis answers with what everybody counted. So a limit costs a message no round trip, a Redis that
is slow or away holds nobody up and lets no flood through, and in the worst case each process gives the whole allowance once.

What was used up in the window before counts as far as it still lies within the last `seconds`, taken as evenly spread: the edge between
two windows lets nothing through. What is refused is not counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast
from weakref import WeakKeyDictionary

from redis import RedisError

from tenants.redis import redis, sync_redis

logger = logging.getLogger(__name__)

EVERY = 0.1  # seconds between two times that Redis is told
AWAY = 2.0  # ... while it does not answer
MOST = 50_000  # names that a process remembers in one window; a flood of new ones pushes the oldest out
# Adds to each key and gives back the sums. One call for one tenant: its keys are on one node of a cluster.
ADD = """
local sums = {}
for number, key in ipairs(KEYS) do
    sums[number] = redis.call('INCRBY', key, ARGV[2 * number - 1])
    redis.call('EXPIRE', key, ARGV[2 * number])
end
return sums
"""


@dataclass(slots=True, eq=False)
class Count:
    schema: str
    key: str
    seconds: int
    ends: float  # wall clock
    before: int  # used in the window before
    used: int = 0  # as far as this process knows
    untold: int = 0  # what of it Redis has not heard


Counts = dict[tuple[str, str], Count]  # by schema and name


@dataclass(slots=True)
class Window:
    number: int
    now: Counts = field(default_factory=dict)
    before: Counts = field(default_factory=dict)


_lock = threading.Lock()  # held for some look-ups and additions: request threads count beside the loop
_windows: dict[int, Window] = {}  # by length in seconds: what is over is forgotten as a whole
_untold: dict[str, Count] = {}
_telling: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()
_away_until = float("-inf")  # Redis did not answer: until then nobody waits for it again


def take(schema: str, names: Mapping[str, int], seconds: int) -> float:
    """Counts one use of each name, which are given with what is allowed, and gives 0; or gives the seconds to wait for the first that
    is used up, and counts no further. For coroutines; does not wait itself."""
    with _lock:
        now = time.time()
        window, wait = _window(seconds, now), 0.0
        for name, allowed in names.items():
            one = _count(window, schema, name, seconds)
            if wait := _wait(one, allowed, now):
                break
            _add(one)
    if _untold and (loop := asyncio.get_running_loop()) not in _telling:
        _telling[loop] = loop.create_task(_tell(loop))
    return wait


def take_now(schema: str, names: Mapping[str, int], seconds: int, amount: int = 1) -> float:
    """The same for threads, and exact: Redis is asked before anything is allowed, and all is counted or nothing.

    `amount`: so many uses of each at once. It may not be more than what is allowed.
    """
    with _lock:
        now = time.time()
        window = _window(seconds, now)
        counts = {_count(window, schema, name, seconds): allowed for name, allowed in names.items()}
        if wait := max(_wait(one, allowed, now, amount) for one, allowed in counts.items()):
            return wait
        for one in counts:
            _add(one, amount)
    _ask(counts)
    now = time.time()
    # The own use is counted by now.
    wait = max(_wait(one, allowed + amount, now, amount) for one, allowed in counts.items())
    if wait:
        give_back(schema, names, seconds, amount)
    return wait


def give_back(schema: str, names: Iterable[str], seconds: int, amount: int = 1) -> None:
    """What was taken with `take_now` and came to nothing. Of a window that is over, nothing comes back."""
    with _lock:
        window = _window(seconds, time.time())
        counts = [one for name in names if (one := _count(window, schema, name, seconds)).used >= amount]
        for one in counts:
            _add(one, -amount)
    _ask(counts)


def _wait(one: Count, allowed: int, now: float, amount: int = 1) -> float:
    """Seconds until `amount` more uses are allowed; 0: now."""
    left, room = max(0.0, one.ends - now), allowed - amount
    if one.used + one.before * left / one.seconds <= room:
        return 0.0
    if one.used <= room:  # once enough of what was used before has aged
        return left - one.seconds * (room - one.used) / one.before
    return left + one.seconds * (1 - room / one.used)


def _add(one: Count, amount: int = 1) -> None:
    one.used += amount
    one.untold += amount
    _untold[one.key] = one


def _count(window: Window, schema: str, name: str, seconds: int) -> Count:
    who = (schema, name)
    one = window.now.get(who)
    if one is None:
        if len(window.now) >= MOST:
            del window.now[next(iter(window.now))]
        before = window.before[who].used if who in window.before else 0
        key = f"kefu:{{{schema}}}:count:{name}:{seconds}:{window.number}"
        one = window.now[who] = Count(schema, key, seconds, (window.number + 1.0) * seconds, before)
    return one


def _window(seconds: int, now: float) -> Window:
    number = int(now // seconds)
    window = _windows.get(seconds)
    if window is None or window.number != number:
        before = window.now if window and window.number == number - 1 else {}
        window = _windows[seconds] = Window(number, before=before)
    return window


# --- What Redis is told, and says -------------------------------------------------------------------------------------

Told = list[tuple[Count, int]]


async def _tell(loop: asyncio.AbstractEventLoop) -> None:
    """Ends when there is nothing left to tell."""
    try:
        while told := _hand_over(list(_untold.values())):
            try:
                await _tell_all(told)
            except RedisError:
                _give_back(told)
            await asyncio.sleep(EVERY if time.monotonic() > _away_until else AWAY)
    finally:
        _telling.pop(loop, None)


def _ask(counts: Iterable[Count]) -> None:
    """For threads: Redis is told of these at once, and says what everybody counted."""
    if time.monotonic() > _away_until and (told := _hand_over(counts)):
        try:
            _learn(told, cast(list[int], sync_redis().eval(ADD, len(told), *_arguments(told))))
        except RedisError:
            _give_back(told)


async def _tell_all(told: Told) -> None:
    by_schema: defaultdict[str, Told] = defaultdict(list)
    for one, number in told:
        by_schema[one.schema].append((one, number))
    async with redis().pipeline(transaction=False) as commands:
        for part in by_schema.values():
            commands.eval(ADD, len(part), *_arguments(part))
        answers = await commands.execute()
    for part, sums in zip(by_schema.values(), answers, strict=True):
        _learn(part, sums)


def _arguments(told: Told) -> list[str | int]:
    keys: list[str | int] = [one.key for one, _number in told]
    return keys + [part for one, number in told for part in (number, one.seconds)]


def _hand_over(counts: Iterable[Count]) -> Told:
    """What Redis has not heard of these; it counts as told from now on."""
    with _lock:
        told = [(one, one.untold) for one in counts if one.untold]
        for one, _number in told:
            one.untold = 0
            _untold.pop(one.key, None)
    return told


def _learn(told: Told, sums: Iterable[int]) -> None:
    with _lock:
        for (one, _number), total in zip(told, sums, strict=True):
            one.used = max(one.used, total + one.untold)


def _give_back(told: Told) -> None:
    """Redis is away: to be told later, unless the window is over by then."""
    global _away_until
    if time.monotonic() > _away_until + 60:
        logger.warning("Redis does not count: every process counts for itself alone")
    _away_until = time.monotonic() + AWAY
    with _lock:
        for one, number in told:
            one.untold += number
            if one.ends > time.time() and len(_untold) < MOST:
                _untold[one.key] = one
