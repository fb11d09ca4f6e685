"""When which fault strikes: known from the seed alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tests.faults.bots import Bot
from tests.faults.breakages import FAULTS, Scene
from tests.faults.stage import Stage


@dataclass(frozen=True)
class Strike:
    at: float  # seconds after the beginning
    name: str
    lasts: float
    seed: int


def schedule(seed: int, seconds: float, names: list[str]) -> Iterator[Strike]:
    """All of `names` in a random order, then again; the next one strikes 1 to 6 seconds later, whether the last is over or not."""
    random = Random(seed)
    at, bag = random.uniform(1, 4), list[str]()
    while at < seconds:
        bag = bag or random.sample(names, len(names))
        name = bag.pop()
        yield Strike(at, name, random.uniform(*FAULTS[name].lasts), random.getrandbits(32))
        at += random.uniform(1, 6)


async def haunt(stage: Stage, bots: list[Bot], strikes: list[Strike], say: Callable[..., None]) -> None:
    """Returns when everything is healed."""
    locks = {fault.breaks: asyncio.Lock() for fault in FAULTS.values()}
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def strike(one: Strike) -> None:
        await asyncio.sleep(max(0.0, began + one.at - loop.time()))
        fault, scene = FAULTS[one.name], Scene(stage, bots, Random(one.seed))
        async with locks[fault.breaks] if fault.breaks else asyncio.Lock():
            say("fault", name=one.name)
            await fault.inject(scene)
            await asyncio.sleep(one.lasts)
            await fault.heal(scene)
            say("heal", name=one.name)

    async with asyncio.TaskGroup() as all_of_them:
        for one in strikes:
            all_of_them.create_task(strike(one))
