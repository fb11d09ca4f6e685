"""One run: a stage, its bots, faults from a seed, then peace, and the verdict of the checker."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, count
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import plays
from tests.faults.bots import AgentBot, Bot, VisitorBot
from tests.faults.checks import CANARIES, Violation, check
from tests.faults.checks import View as Shown
from tests.faults.history import Log
from tests.faults.nemesis import FAULTS, haunt, schedule
from tests.faults.rows import rows_of
from tests.faults.stage import Stage
from tests.model_server import ModelServer

Play = Callable[[VisitorBot, list[AgentBot], plays.Over], Awaitable[None]]
PLAYS: tuple[Play, ...] = (plays.asks_the_bot,) * 3 + (plays.talks_with_people,) * 2  # of each tenant at once
PEACE = 60.0  # seconds after the last fault in which everything must be well again; on a fast machine 30 are plenty


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def run(seed: int, seconds: float, names: Sequence[str] = tuple(FAULTS)) -> list[Violation]:
    """What was violated. The log, the views, the rows and the programs' logs stay in a folder where something was."""
    folder = Path(tempfile.mkdtemp(prefix="kefu-faults-"))
    log = Log(folder / "history.jsonl")
    say(f"seed {seed}, {seconds:g} s of {', '.join(names)}")
    with ModelServer() as model:
        stage = Stage(folder / "stage", model.url)
        try:
            cast = Cast(stage, log, Random(seed), await stage.open())
            violations = await cast.perform(seed, seconds, list(names), folder)
        finally:
            await stage.close()
            log.close()
    say(f"{len(violations)} violations" + "".join(f"\n  {violation}" for violation in violations))
    say(f"seed {seed}; everything about this run is in {folder}")
    return violations


class Cast:
    """`agents`: what tests.faults.cast has made."""

    def __init__(self, stage: Stage, log: Log, random: Random, agents: dict[str, Any]) -> None:
        self.stage, self.log, self.random = stage, log, random
        self.agents = {
            tenant: [
                AgentBot(tenant, name, *self._outfit(), number=number, session=session)
                for name, (number, session) in agents[tenant].items()
            ]
            for tenant in CANARIES
        }
        self.bots: list[Bot] = []
        self.living: list[asyncio.Task[None]] = []
        self.numbers = count(1)
        self.over = False

    def _outfit(self) -> tuple[list[int], Log, Random]:
        return list(self.stage.ports.values()), self.log, Random(self.random.getrandbits(32))

    def _enter(self, bot: Bot) -> None:
        self.bots.append(bot)
        self.living.append(asyncio.create_task(bot.live()))

    async def perform(self, seed: int, seconds: float, names: list[str], folder: Path) -> list[Violation]:
        for agent in chain(*self.agents.values()):
            self._enter(agent)
        working = [
            asyncio.create_task(self._play(tenant, play, seconds)) for tenant in CANARIES for play in PLAYS
        ]
        try:
            await haunt(self.stage, self.bots, list(schedule(seed, seconds, names)), self._tell)
            await self.stage.mend()
            self.over = True
            await self._peace(working)
            views, rows = self._shown() + await self._told_over_http(), await rows_of(self.stage.database_url)
            (folder / "views.json").write_text(json.dumps(views))
            (folder / "rows.json").write_text(json.dumps(rows))
            self._sum_up(rows["messages"])
            return check(self.log.events, views, rows)
        finally:
            for task in self.living + working:
                task.cancel()
            await asyncio.gather(*self.living, *working, return_exceptions=True)

    async def _play(self, tenant: str, play: Play, seconds: float) -> None:
        """One visitor after the other. They stay when they have fallen silent, and no later message shows them that they missed one."""
        clock = asyncio.get_running_loop().time
        while not self.over:
            visitor = VisitorBot(tenant, f"{tenant}-{next(self.numbers)}", *self._outfit())
            await visitor.begin()
            self._enter(visitor)
            end = clock() + visitor.random.uniform(0.15, 0.5) * min(seconds, 120)
            await play(visitor, self.agents[tenant], lambda end=end: self.over or clock() > end)

    async def _peace(self, working: list[asyncio.Task[None]]) -> None:
        """Returns once everything asked is answered and everybody shows the same, or when that took too long."""
        clock = asyncio.get_running_loop().time
        began = clock()
        done, late = await asyncio.wait(working, timeout=PEACE)
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        while found := check(self.log.events, self._shown(), await rows_of(self.stage.database_url)):
            if clock() - began > PEACE:
                break
            await asyncio.sleep(0.5)
        say(f"{'not' if found else 'all'} well {clock() - began:.0f} s after the last fault")

    def _shown(self) -> list[Shown]:
        return [_view(bot, bot.name, to, view.frames) for bot in self.bots for to, view in bot.views.items()]

    async def _told_over_http(self) -> list[Shown]:
        """Each conversation as its visitor, and as an agent, gets it from the history."""
        visitors = [bot for bot in self.bots if isinstance(bot, VisitorBot)]
        readers = [(bot, one.conversation) for one in visitors for bot in (one, self.agents[one.tenant][0])]
        return [
            _view(bot, f"{bot.name} over HTTP", conversation, await bot.history(conversation))
            for bot, conversation in readers
        ]

    def _tell(self, event: str, name: str) -> None:
        self.log.add(event, name=name)
        if event == "fault":
            say(f"  {self.log.events[-1]['at']:6.1f} s  {name}")

    def _sum_up(self, messages: list[dict[str, Any]]) -> None:
        kinds = Counter(row["kind"] for row in messages)
        events = Counter(event["event"] for event in self.log.events)
        returns, holes = (sum(getattr(bot, what) for bot in self.bots) for what in ("returns", "holes"))
        say(
            f"{len(messages)} messages ({', '.join(f'{count} {kind}' for kind, count in kinds.items())}); "
            f"{events['ok']} operations ok, {events['fail']} refused, {events['unknown']} unknown; "
            f"{returns} reconnects, {holes} holes mended"
        )


def _view(bot: Bot, who: str, conversation: str, frames: list[dict[str, Any]]) -> Shown:
    return {"who": who, "tenant": bot.tenant, "conversation": conversation, "messages": frames}
