"""The whole product in a folder of its own, two web processes and all, with everything in reach that can be broken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kefu.dev import environment, postgres, processes, programs, redis
from kefu.dev.environment import PROJECT
from kefu.dev.processes import CannotStart
from kefu.dev.programs import Installation
from kefu.dev.supervisor import Program
from tests.faults.proxy import Proxy

OURS = ("KEFU_", "DATABASE_URL", "REDIS_URL")  # of whoever runs this
WEBS = ("web-1", "web-2")
WORKERS = ("worker-llm", "worker-work")
POLL = 0.05
GRACE = 30.0  # seconds for one to end by itself
TRIES = 3
PATIENCE = 120.0  # seconds for a program to come up on a slow machine


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether `condition`, asked on a thread because it may block, came true in time."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL)
    return True


def quiet_ports() -> Iterator[int]:
    """Below those that systems hand out to connections: one that is closed for a moment is still free afterwards."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if redis.port_is_free(port):
            yield port


class Stage:
    def __init__(self, folder: Path, model_url: str) -> None:
        self.folder = folder
        kept = environment.prepare(folder)
        self.database_url = kept.pop("KEFU_OWNER_DATABASE_URL")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            **kept,
            "KEFU_DATA": str(folder),
            "KEFU_LIMITS": "off",
            "KEFU_LLM_BASE_URL": model_url,
            "KEFU_LLM_MODEL": "asked",
            "PYTHONUNBUFFERED": "1",
        }
        ports = quiet_ports()
        password, real, seen = secrets.token_urlsafe(24), next(ports), next(ports)
        self.redis_url = f"redis://:{password}@127.0.0.1:{real}/0"
        self.redis_line = Proxy(seen, to=real)  # between the programs and Redis
        self.environment["REDIS_URL"] = self.redis_url.replace(f":{real}/", f":{seen}/")
        self.ports = {name: next(ports) for name in WEBS}
        self.programs = {program.name: program for program in self._table()}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.wanted: set[str] = set()
        self.said: dict[str, int] = {}  # how long the log of each was when it began

    @property
    def here(self) -> Installation:
        return Installation(
            data=self.folder,
            port=0,
            environment=self.environment,
            database=self.environment["DATABASE_URL"],
            owners_database=self.database_url,
            own_database=True,
            own_redis=True,
            redis_address=self.redis_url,
            model=None,
            model_port=0,
            model_name="",
            demo_password="",
        )

    def services(self) -> list[Program]:
        return programs.services(
            replace(self.here, environment={**self.environment, "REDIS_URL": self.redis_url})
        )

    def _table(self) -> Iterable[Program]:
        yield from self.services()
        for name, port in self.ports.items():
            web = programs.web(replace(self.here, port=port))
            mortal = (sys.executable, "-m", "tests.faults.web", "--port", str(port))
            yield replace(web, name=name, command=mortal)
        yield programs.worker(self.here, "llm,effects", "threads", 16)
        work = programs.worker(self.here, "work", "threads", 2)
        yield replace(work, command=(*work.command, "-B", "-s", str(self.folder / "schedule")))

    # --- All of it ----------------------------------------------------------------------------------------------------

    async def open(self) -> dict[str, Any]:
        """Starts everything; returns what tests.faults.cast has made."""
        await self.start("postgres")
        await self.start("redis")
        await self.redis_line.open()
        made = await self.made_by("tests.faults.cast")
        await asyncio.gather(*(self.start(name) for name in (*WEBS, *WORKERS)))
        return made

    async def made_by(self, *command: str) -> dict[str, Any]:
        """The JSON in the last line that a module of ours prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            cwd=PROJECT,
            env={**self.environment, "KEFU_OWNER_DATABASE_URL": self.database_url},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0, f"{command[0]} failed"
        return dict(json.loads(printed.splitlines()[-1]))

    async def keep(self, tell: Callable[[str], None]) -> None:
        """Until cancelled: starts again what ended though nobody ended it, as any supervisor does."""
        while True:
            for name in sorted(self.wanted):
                if not self.is_running(name):
                    tell(name)
                    self._spawn(name)
            await asyncio.sleep(0.5)

    async def mend(self) -> None:
        """Returns when everything runs."""
        self.redis_line.delay = 0.0
        for name in self.programs:
            self.send(name, signal.SIGCONT)
            await self.start(name)

    async def close(self) -> None:
        await self.redis_line.close()
        for name in reversed(list(self.running)):
            self.send(name, signal.SIGCONT)
            await self.end(name, signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
        postgres.stop(self.folder / "postgres")  # which clears away what it left elsewhere

    # --- One program --------------------------------------------------------------------------------------------------

    def is_running(self, name: str) -> bool:
        return name in self.running and self.running[name].poll() is None

    async def start(self, name: str) -> None:
        """Returns when it is ready."""
        for _try in range(TRIES):
            if not self.is_running(name):
                self._spawn(name)
            # Asked on a thread: what it answers may come through the proxy, which is on this loop.
            if await until(lambda: self.ready(name) or not self.is_running(name)) and self.is_running(name):
                return
        raise CannotStart(f"{name} is not ready; its log ends: {processes.last_lines(self.log(name))}")

    def _spawn(self, name: str) -> None:
        program, log = self.programs[name], self.log(name)
        if program.prepare:
            program.prepare()
        self.said[name] = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.running[name] = subprocess.Popen(
                program.command,
                cwd=PROJECT,
                env={**self.environment, **program.environment},
                stdout=output,
                stderr=output,
                **processes.spawn_options(program.orphan_signal, program.account),
            )
        if program.pid_file:
            program.pid_file.write_text(str(self.running[name].pid))
        self.wanted.add(name)

    def ready(self, name: str) -> bool:
        program = self.programs[name]
        if program.is_ready:
            return program.is_ready()
        with self.log(name).open("rb") as lines:
            lines.seek(self.said[name])
            return program.ready_line.encode() in lines.read()

    def send(self, name: str, number: int) -> None:
        if self.is_running(name):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running[name].pid, number)

    async def end(self, name: str, number: int = signal.SIGKILL) -> None:
        """Returns when it is gone; a stop that takes too long becomes a kill."""
        self.wanted.discard(name)
        if not self.is_running(name):
            return
        self.running[name].send_signal(number)
        if not await until(lambda: not self.is_running(name), GRACE):
            self.send(name, signal.SIGKILL)
        await until(lambda: not self.is_running(name))
        processes.kill_group(self.running[name].pid)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"
