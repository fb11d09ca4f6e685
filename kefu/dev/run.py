"""`make run`: from an empty folder to a page that answers, and back to no process at all."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from kefu.dev import checks, environment, programs, redis
from kefu.dev.panel import panel
from kefu.dev.processes import CannotStart
from kefu.dev.programs import Installation
from kefu.dev.supervisor import Supervisor
from kefu.dev.translations import compile_translations

SERVICES_SECONDS, PRODUCT_SECONDS, MODEL_SECONDS = 60.0, 120.0, 30.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COLOURS = {"web": "cyan", "worker-llm": "magenta", "worker-work": "blue", "beat": "yellow", "model": "green"}


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    try:
        asyncio.run(Start(console).go())
    except CannotStart as problem:
        console.print(f"[bold red]✗[/] {escape(str(problem))}")
        return 1
    return 0


class Start:
    """One `make run`: what it shows, and the programs it has started."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = console.status("Starting")
        self.began = time.monotonic()

    async def go(self) -> None:
        data = environment.data_folder()
        checks.check_folder(data)
        with checks.only_one(data):
            here = programs.installation()
            checks.check_port(here.port)
            self.supervisor = Supervisor(data / "logs", self.say)
            stop = self.listen_to_signals()
            coming_up = asyncio.create_task(self.bring_up(here))
            try:
                await asyncio.wait({coming_up, stop}, return_when=asyncio.FIRST_COMPLETED)
                if coming_up.done():
                    coming_up.result()
                    await stop
            finally:
                coming_up.cancel()
                self.status.stop()
                await self.take_down()

    async def bring_up(self, here: Installation) -> None:
        rows = programs.product(here)
        early = [
            row for row in rows if row.name == "model"
        ]  # it loads from disk while the others use the processor
        services = programs.services(here)
        if here.own_redis and redis.comes_from_wheel():
            self.say("redis", redis.WHEEL_WARNING)
        with self.step("PostgreSQL and Redis" if services else "Using DATABASE_URL and REDIS_URL"):
            self.supervisor.start([*services, *early])
            await self.supervisor.wait_until_ready([row.name for row in services], SERVICES_SECONDS)
        await self.prepare(here)
        with self.step("Web server and workers"):
            rest = [row for row in rows if row not in early]
            self.supervisor.start(rest)
            await self.supervisor.wait_until_ready([row.name for row in rest], PRODUCT_SECONDS)
        self.supervisor.start(
            [programs.beat(here)]
        )  # last: it only sends, and its start costs the others time
        model_is_ready = await self.wait_for_model() if early else True
        self.console.print(panel(here, time.monotonic() - self.began, model_is_ready))

    async def prepare(self, here: Installation) -> None:
        if written := compile_translations():
            self.tick(f"Translations compiled ({len(written)})")
        mark = checks.fingerprint(here.data, here.database)
        if checks.is_prepared(here.data, mark):
            return
        with self.step("Tables and demo companies"):
            if await self.supervisor.run(programs.preparation(here)):
                raise CannotStart(
                    f"Preparing the database failed; {here.data / 'logs' / 'prepare.log'} says why. The next start goes on from here."
                )
        checks.set_prepared(here.data, mark)

    async def wait_for_model(self) -> bool:
        with self.step("Language model"):
            try:
                await self.supervisor.wait_until_ready(["model"], MODEL_SECONDS)
            except CannotStart as problem:
                self.say("model", str(problem))
                return False
        return True

    async def take_down(self) -> None:
        if not self.supervisor.keepers:
            return
        with self.step("Stopped"):
            self.status.update("Stopping (Ctrl-C again to be quick)")
            await self.supervisor.stop()

    def listen_to_signals(self) -> asyncio.Future[None]:
        """The first signal asks for an orderly end, the second kills."""
        loop = asyncio.get_running_loop()
        stop: asyncio.Future[None] = loop.create_future()

        def told() -> None:
            if stop.done():
                self.supervisor.kill()
            else:
                stop.set_result(None)

        for number in STOPS:
            loop.add_signal_handler(number, told)
        return stop

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        began = time.monotonic()
        self.status.update(title)
        self.status.start()
        try:
            yield
            self.tick(title, time.monotonic() - began)
        finally:
            self.status.stop()

    def tick(self, title: str, seconds: float | None = None) -> None:
        took = "" if seconds is None else f" [dim]{seconds:.1f} s[/]"
        self.console.print(f"[green]✓[/] {title}{took}")

    def say(self, program: str, line: str) -> None:
        if line.startswith("» "):
            self.status.update(escape(line[2:]))
        else:
            self.console.print(f"[{COLOURS.get(program, 'white')}]{program:>11}[/] [dim]│[/] {escape(line)}")
