"""Keeps a table of programs running: starts them, logs them, starts again what crashed, and stops them in order.

A program lives in a session of its own and ends with this process, however this one ends (see `processes.dies_with_parent`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

from kefu.dev.processes import Account, CannotStart, kill_group, last_lines, spawn_options

LOUD = re.compile(r"\b(WARNING|ERROR|CRITICAL|FATAL|PANIC)\b")
TRACEBACK = "Traceback (most recent call last)"
LOG_BYTES = 5_000_000
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
STEADY_AFTER = 60.0  # seconds up after which an earlier crash is forgotten
TRIES_BEFORE_READY = 3
POLL = 0.1
WATCH = 5.0  # seconds between two looks at whether a program still works
PATIENCE = 60.0  # seconds for which it may not, before it is ended and started again

Say = Callable[[str, str], None]  # (program, line) for the person at the terminal


@dataclass(frozen=True)
class Program:
    """One row of the table. `stage`: started upwards, stopped downwards. Ready when `is_ready()` or once `ready_line` is seen.

    A program that lives and does not do its work for a minute, as `works()` tells, is killed and started again.
    """

    name: str
    command: tuple[str, ...]
    stage: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] | None = None
    is_ready: Callable[[], bool] | None = None
    ready_line: str = ""
    works: Callable[[], bool] | None = None
    stop_signal: int = signal.SIGTERM
    orphan_signal: int = signal.SIGTERM
    grace: float = 15.0
    account: Account | None = None
    loud: re.Pattern[str] = LOUD
    pid_file: Path | None = None


class Keeper:
    """Keeps one program running until it is told to stop."""

    def __init__(self, program: Program, logs: Path, say: Say) -> None:
        self.program = program
        self.log_path = logs / f"{program.name}.log"
        self.log = RotatingFileHandler(self.log_path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
        self.say = say
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        self.tries = 0
        self.in_traceback = False
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self.task = asyncio.create_task(self.keep(), name=self.program.name)

    async def keep(self) -> None:
        """Raises CannotStart when the program never became ready; afterwards it is started again for ever."""
        delay = FIRST_DELAY
        while not self.stopping.is_set():
            began = time.monotonic()
            end = await self.run_and_tell()
            if self.stopping.is_set():
                return
            self.tries += 1
            if not self.ready.is_set() and self.tries >= TRIES_BEFORE_READY:
                raise CannotStart(
                    f"{self.program.name} does not start. Its log ends:\n{last_lines(self.log_path)}"
                )
            if time.monotonic() - began > STEADY_AFTER:
                delay = FIRST_DELAY
            self.say(self.program.name, f"{end}; starting again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def run_and_tell(self) -> str:
        try:
            return ending(await self.run_once())
        except (CannotStart, OSError) as problem:
            if not self.ready.is_set():
                raise
            return str(problem)

    async def run_once(self) -> int:
        program = self.program
        if program.prepare:
            await asyncio.to_thread(program.prepare)
        self.process = process = await asyncio.create_subprocess_exec(
            *program.command,
            env={**os.environ, **program.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            **spawn_options(program.orphan_signal, program.account),
        )
        if program.pid_file:
            program.pid_file.write_text(str(process.pid))
        ways = (self.read(process), self.ask_until_ready(process), self.watch(process))
        jobs = [asyncio.create_task(way) for way in ways]
        if self.stopping.is_set():  # told so while it was being started
            self.signal(program.stop_signal)
        code = await process.wait()
        kill_group(process.pid)
        await asyncio.wait(jobs[:1], timeout=1)
        for job in jobs:
            job.cancel()
        return code

    async def read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in lines_of(process.stdout):
            self.log.emit(logging.makeLogRecord({"msg": line}))
            if self.program.ready_line and self.program.ready_line in line:
                self.ready.set()
            if self.is_worth_showing(line) and not self.stopping.is_set():
                self.say(self.program.name, line.strip())

    def is_worth_showing(self, line: str) -> bool:
        """Warnings and errors; of a traceback only the line that names the exception."""
        if line.startswith(TRACEBACK):
            self.in_traceback = True
            return False
        if self.in_traceback:
            self.in_traceback = line.startswith((" ", "\t")) or not line
            return not self.in_traceback
        return self.program.loud.search(line) is not None

    async def ask_until_ready(self, process: asyncio.subprocess.Process) -> None:
        if self.program.is_ready is None:
            if not self.program.ready_line:
                self.ready.set()
            return
        while process.returncode is None and not await asyncio.to_thread(self.program.is_ready):
            await asyncio.sleep(POLL)
        self.ready.set() if process.returncode is None else None

    async def watch(self, process: asyncio.subprocess.Process) -> None:
        """Counts from when the program was first seen at work: until then it may be slow to start."""
        if self.program.works is None:
            return
        well = 0.0
        while not well or time.monotonic() - well < PATIENCE:
            if await asyncio.to_thread(self.program.works):
                well = time.monotonic()
            await asyncio.sleep(WATCH)
        if not self.stopping.is_set():
            self.say(self.program.name, "lives, but does no work; it is killed")
            kill_group(process.pid)

    def signal(self, number: int) -> None:
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def stop(self) -> None:
        self.stopping.set()
        self.signal(self.program.stop_signal)
        if self.task:
            await asyncio.wait({self.task}, timeout=self.program.grace)
            self.kill()
            await asyncio.gather(self.task, return_exceptions=True)
        self.log.close()

    def kill(self) -> None:
        self.stopping.set()
        if self.process and self.process.returncode is None:
            kill_group(self.process.pid)


class Supervisor:
    def __init__(self, logs: Path, say: Say) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.logs, self.say = logs, say
        self.keepers: dict[str, Keeper] = {}

    def start(self, programs: Iterable[Program]) -> None:
        for program in programs:
            keeper = self.keepers[program.name] = Keeper(program, self.logs, self.say)
            keeper.begin()

    async def wait_until_ready(self, names: Iterable[str], seconds: float) -> None:
        """Raises CannotStart, with the end of its log, for a program that gives up or is not ready in time."""
        keepers = [self.keepers[name] for name in names]
        waits = {asyncio.create_task(keeper.ready.wait()) for keeper in keepers}
        ended = {keeper.task for keeper in keepers if keeper.task}
        deadline = time.monotonic() + seconds
        try:
            while pending := {wait for wait in waits if not wait.done()}:
                left = deadline - time.monotonic()
                done, _ = await asyncio.wait(
                    pending | ended, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done & ended:
                    task.result()
                if not done or done & ended:
                    raise CannotStart(self.unready(keepers, seconds))
        finally:
            for wait in waits:
                wait.cancel()

    def unready(self, keepers: Iterable[Keeper], seconds: float) -> str:
        late = next(keeper for keeper in keepers if not keeper.ready.is_set())
        return f"{late.program.name} is not ready after {seconds:g} s. Its log ends:\n{last_lines(late.log_path)}"

    async def run(self, program: Program) -> int:
        """Runs a program that ends by itself, and gives its exit status."""
        keeper = self.keepers[program.name] = Keeper(program, self.logs, self.say)
        try:
            return await keeper.run_once()
        finally:
            keeper.kill()
            keeper.log.close()
            del self.keepers[program.name]

    async def stop(self) -> None:
        """Stage by stage, the highest first; what does not end in its grace is killed."""
        stages = sorted({keeper.program.stage for keeper in self.keepers.values()}, reverse=True)
        for stage in stages:
            leaving = [keeper for keeper in self.keepers.values() if keeper.program.stage == stage]
            await asyncio.gather(*(keeper.stop() for keeper in leaving))

    def kill(self) -> None:
        for keeper in self.keepers.values():
            keeper.kill()


async def lines_of(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length; `StreamReader.readline` gives up on long ones."""
    rest = b""
    while piece := await stream.read(65536):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def ending(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"
