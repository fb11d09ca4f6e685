"""The load generator, a process of its own: `python -m tests.bench.load PLAN.json` plays visitors and agents as chat/PROTOCOL.md
wants them, and says what happens and what it measured as lines of JSON.

The lines are `connected`; `begin` and `end` of each run; where a restart is waited for, `measured` and `back`; and `result`, in which
every message was followed to its end: acknowledged with a `seq`, and delivered with that `seq`, once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from random import uniform
from time import perf_counter
from typing import Any

import uvloop

from kefu.web import allow_many_sockets
from tests.bench.crowd import Agent, Person, Visitor
from tests.bench.plan import Plan, Tally
from tests.bench.wire import frame

PING = frame(b'{"type":"ping"}')
HEARTBEAT, SLICES = 25.0, 100  # everybody pings once in HEARTBEAT seconds, a slice of them at a time
AT_ONCE = 100  # people who come in together at the start
FIRST_PAUSE, LONGEST_PAUSE = (
    0.5,
    30.0,
)  # seconds until a lost line is tried again, as static/shared/socket.js has it
STANDSTILL = 60.0  # seconds in which nobody comes in, or back: something is wrong
TAIL = 20.0  # seconds for what is under way at the end


class Load:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.tally = plan, Tally()
        self.texts = [f'","text":{json.dumps(text, ensure_ascii=False)}}}'.encode() for text in plan.texts]
        self.has_agents = bool(plan.agents)
        sources = cycle(plan.sources)
        self.visitors = [Visitor(self, *about, next(sources)) for about in plan.visitors]
        idle = [Visitor(self, *about, next(sources)) for about in plan.idle]
        agents = [Agent(self, *about) for about in plan.agents]
        self.people: list[Person] = [*agents, *self.visitors, *idle]
        self.by_conversation = {visitor.conversation: visitor for visitor in self.visitors}
        self.doubles = 0
        self.errors: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.is_talking = self.is_over = False
        self.door = asyncio.Semaphore(AT_ONCE)
        self.first_times = 0
        self.gone_at = 0.0  # when the first line was lost
        self.returns: list[float] = []  # how many seconds after that each was back
        self.all_in, self.all_back = asyncio.Event(), asyncio.Event()

    def text(self, number: int) -> bytes:
        return self.texts[number % len(self.texts)]

    # --- Coming and going ---------------------------------------------------------------------------------------------

    async def live(self, person: Person) -> None:
        tries = 0
        while not self.is_over:
            with suppress(OSError):
                async with self.door:
                    is_welcome = await person.arrive()
                tries = 0 if is_welcome else tries
                await person.ended.wait()
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries) * uniform(0.5, 1)
            await asyncio.sleep(pause if tries else pause + uniform(0, self.plan.spread))
            tries += 1

    def came(self, person: Person) -> None:
        if person.greetings == 1:
            self.first_times += 1
        elif person.greetings == 2:
            self.returns.append(perf_counter() - self.gone_at)
        if self.first_times == len(self.people):
            self.all_in.set()
        if len(self.returns) == len(self.people):
            self.all_back.set()

    def went(self, person: Person) -> None:
        if not self.is_over:
            self.gone_at = self.gone_at or perf_counter()
            self.closes[person.code] += 1

    async def keep_alive(self) -> None:
        for number in cycle(range(SLICES)):
            await asyncio.sleep(HEARTBEAT / SLICES)
            if not self.plan.echo:
                for person in self.people[number::SLICES]:
                    person.send(PING)

    # --- Talking ------------------------------------------------------------------------------------------------------

    async def talk(self) -> None:
        self.is_talking = True
        if self.plan.rate:
            await self._keep_pace()
        for visitor in self.visitors:
            self.next(visitor, perf_counter())

    async def _keep_pace(self) -> None:
        """A message is late from the moment when it was due, whatever kept it."""
        began = perf_counter()
        for number, visitor in enumerate(cycle(self.visitors)):
            due = began + number / self.plan.rate
            while due > perf_counter():
                await asyncio.sleep(0.001)
            if not self.is_talking:
                return
            visitor.say(due)

    def next(self, visitor: Visitor, now: float) -> None:
        if self.is_talking and not self.plan.rate:
            visitor.say(now)

    async def finish(self) -> None:
        self.is_talking = False
        deadline = perf_counter() + TAIL
        while any(map(is_waiting, self.visitors)) and perf_counter() < deadline:
            await asyncio.sleep(0.05)
        self.is_over = True

    def result(self) -> dict[str, Any]:
        missing = {visitor.conversation: visitor.promised() - visitor.delivered for visitor in self.visitors}
        return {
            "acked": sum(len(visitor.acked) for visitor in self.visitors),
            "delivered": sum(len(visitor.delivered) for visitor in self.visitors),
            "unacked": sum(len(visitor.unacked) for visitor in self.visitors),
            "missing": sum(map(len, missing.values())) if self.has_agents or self.plan.answers else 0,
            "doubles": self.doubles,
            "errors": self.errors,
            "closes": self.closes,
        }


def is_waiting(visitor: Visitor) -> bool:
    return bool(visitor.unacked or visitor.undelivered or visitor.unanswered)


async def play(plan: Plan) -> None:
    load = Load(plan)
    beside = [asyncio.ensure_future(work) for work in (*map(load.live, load.people), load.keep_alive())]
    await until(load, load.all_in, lambda: load.first_times)
    load.door = asyncio.Semaphore(len(load.people))  # those who come back wait for nobody
    gc.freeze()
    gc.disable()  # its pauses would be taken for the server's
    tell("connected")
    beside.append(asyncio.ensure_future(load.talk()))
    await asyncio.sleep(plan.warm_up)
    for _run in range(plan.runs):
        await measure(load)
    if plan.restart:
        await sit_out_a_restart(load)
    await load.finish()
    tell("result", **load.result())
    for task in beside:
        task.cancel()


async def measure(load: Load) -> None:
    tell("begin")
    load.tally = tally = Tally()
    await asyncio.sleep(load.plan.seconds)
    tell("end", **tally.summary())


async def sit_out_a_restart(load: Load) -> None:
    load.tally = tally = Tally()
    tell("measured")
    await until(load, load.all_back, lambda: len(load.returns))
    returns = sorted(load.returns)
    tell("back", half=returns[len(returns) // 2], last=returns[-1], **tally.summary())


async def until(load: Load, event: asyncio.Event, progress: Callable[[], int]) -> None:
    """Gives up when nothing has moved for a while."""
    seen = -1
    while not event.is_set():
        if progress() == seen:
            there = sum(person.is_in for person in load.people)
            sys.exit(
                f"{there} of {len(load.people)} are in; closed {dict(load.closes)}, errors {dict(load.errors)}"
            )
        seen = progress()
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), STANDSTILL)


def tell(event: str, **more: Any) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


if __name__ == "__main__":
    allow_many_sockets()
    uvloop.run(play(Plan(**json.loads(Path(sys.argv[1]).read_text()))))
