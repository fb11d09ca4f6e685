"""The same bots against the plain build of tests/bench/plain, to show that the checker reports what such a build loses."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Coroutine, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kefu.dev.supervisor import Program
from tests.bench.stage import listens
from tests.faults.bots import AgentBot, VisitorBot
from tests.faults.evidence import CANARIES, Rows
from tests.faults.evidence import View as Shown
from tests.faults.rows import PLAIN, rows_of
from tests.faults.stage import WEBS, Stage
from tests.faults.troupe import Troupe
from tests.faults.views import View

VISITORS, AGENTS = 6, 2
APPLICATION = "tests.bench.plain.asgi:application"
# What it breaks and mends; the others break what it does not have
FAULTS = (
    "redis-flushed",
    "redis-killed",
    "subscriptions-cut",
    "web-killed",
    "sockets-cut",
    "postgres-restarted",
)


class PlainStage(Stage):
    def _table(self) -> Iterable[Program]:
        self.environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.bench.plain.settings",
            "PLAIN_DATABASE_URL": self.database_url,
            "PLAIN_REDIS_URL": self.redis_url,
            "PLAIN_SECRET_KEY": secrets.token_urlsafe(48),
        }
        yield from self.services()
        for name, port in self.ports.items():
            command = (sys.executable, "-m", "tests.bench.serve", APPLICATION, "--port", str(port))
            yield Program(name=name, command=command, is_ready=partial(listens, port))

    async def open(self) -> dict[str, Any]:
        """What tests.bench.plain.prepare has made."""
        await self.start("postgres")
        await self.start("redis")
        await self.redis_line.open()
        made = await self.made_by("tests.bench.plain.prepare", str(VISITORS), str(AGENTS))
        await asyncio.gather(*(self.start(name) for name in WEBS))
        return made


class PlainTroupe(Troupe):
    checks = ("lost", "there too often", "not whole", "out of order", "no answer", "not shown", "shown twice")
    peace = 10.0  # in which nothing gets better any more

    async def open(self, folder: Path, model_url: str) -> None:
        self.stage = PlainStage(folder, model_url)
        made = await self.stage.open()
        self.visitors: list[VisitorBot] = []
        for number, (token, conversation) in enumerate(made["visitors"]):
            visitor = VisitorBot("acme", f"visitor-{number}", *self.outfit())
            visitor.known_as(token, conversation)
            self.visitors.append(visitor)
        self.agents["acme"] = [
            AgentBot("acme", f"agent-{number}", *self.outfit(), number=number, session=cookie)
            for number, (cookie, _conversations) in enumerate(made["agents"])
        ]
        for agent, (_cookie, conversations) in zip(self.agents["acme"], made["agents"], strict=True):
            agent.views = {conversation: View() for conversation in conversations}
        for bot in (*self.agents["acme"], *self.visitors):
            self.enter(bot)

    def plays(self, seconds: float) -> Iterator[Coroutine[Any, Any, None]]:
        for visitor in self.visitors:
            agent = next(agent for agent in self.agents["acme"] if visitor.conversation in agent.views)
            yield self._talk(visitor, agent)

    async def _talk(self, visitor: VisitorBot, agent: AgentBot) -> None:
        while not self.over:
            for bot in (visitor, agent):
                await bot.ask("message.send", visitor.conversation, text=f"{CANARIES['acme']}: {bot.name}")
            await asyncio.sleep(visitor.random.uniform(0.05, 0.5))

    async def rows(self) -> Rows:
        return await rows_of(self.stage.database_url, self.log.clock, PLAIN, ("acme",))

    async def told_over_http(self) -> list[Shown]:
        return []  # it has no HTTP
