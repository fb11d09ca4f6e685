"""Everybody who is on stage in a run, and what they do there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import plays
from tests.faults.bots import AgentBot, Bot, VisitorBot
from tests.faults.checks import CHECKS
from tests.faults.evidence import CANARIES, Rows, View
from tests.faults.history import Log
from tests.faults.rows import rows_of
from tests.faults.stage import Stage

Play = Callable[[VisitorBot, list[AgentBot], plays.Over], Awaitable[None]]
PLAYS: tuple[Play, ...] = (plays.asks_the_bot,) * 3 + (plays.talks_with_people,) * 2  # of each tenant at once


class Troupe:
    """Agents who are there all the time, and visitors who come one after the other."""

    checks = tuple(CHECKS)
    peace = (
        60.0  # seconds after the last fault in which all must be well again; on a fast machine 30 are plenty
    )

    def __init__(self, log: Log, random: Random) -> None:
        self.log, self.random = log, random
        self.bots: list[Bot] = []
        self.agents: dict[str, list[AgentBot]] = {}
        self.living: list[asyncio.Task[None]] = []
        self.numbers = count(1)
        self.over = False

    async def open(self, folder: Path, model_url: str) -> None:
        self.stage = Stage(folder, model_url)
        made = await self.stage.open()
        for tenant in CANARIES:
            self.agents[tenant] = [
                AgentBot(tenant, name, *self.outfit(), number=number, session=session)
                for name, (number, session) in made[tenant].items()
            ]
            for agent in self.agents[tenant]:
                self.enter(agent)

    def outfit(self) -> tuple[list[int], Log, Random]:
        return list(self.stage.ports.values()), self.log, Random(self.random.getrandbits(32))

    def enter(self, bot: Bot) -> None:
        self.bots.append(bot)
        self.living.append(asyncio.create_task(bot.live()))

    async def close(self) -> None:
        for task in self.living:
            task.cancel()
        await asyncio.gather(*self.living, return_exceptions=True)
        await self.stage.close()

    def plays(self, seconds: float) -> Iterator[Coroutine[Any, Any, None]]:
        for tenant in CANARIES:
            for play in PLAYS:
                yield self._visits(tenant, play, min(seconds, 120.0))

    async def _visits(self, tenant: str, play: Play, seconds: float) -> None:
        """Who has fallen silent stays: no later message tells them that they missed one."""
        clock = asyncio.get_running_loop().time
        while not self.over:
            visitor = VisitorBot(tenant, f"{tenant}-{next(self.numbers)}", *self.outfit())
            await visitor.begin()
            self.enter(visitor)
            end = clock() + visitor.random.uniform(0.15, 0.5) * seconds
            await play(visitor, self.agents[tenant], partial(self._is_over, end))

    def _is_over(self, end: float) -> bool:
        return self.over or asyncio.get_running_loop().time() > end

    # --- What has come of it ------------------------------------------------------------------------------------------

    async def rows(self) -> Rows:
        return await rows_of(self.stage.database_url, self.log.clock)

    def shown(self) -> list[View]:
        return [_view(bot, bot.name, to, view.frames) for bot in self.bots for to, view in bot.views.items()]

    async def told_over_http(self) -> list[View]:
        """Each conversation as its visitor, and as an agent, gets it from the history."""
        visitors = [bot for bot in self.bots if isinstance(bot, VisitorBot)]
        readers = [(bot, one.conversation) for one in visitors for bot in (one, self.agents[one.tenant][0])]
        return [
            _view(bot, f"{bot.name} over HTTP", conversation, await bot.pages.history(conversation))
            for bot, conversation in readers
        ]


def _view(bot: Bot, who: str, conversation: str, frames: list[dict[str, Any]]) -> View:
    return {"who": who, "tenant": bot.tenant, "conversation": conversation, "messages": frames}
