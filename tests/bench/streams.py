"""How many answers one worker process streams at once: its memory, what a token costs it, and how soon everybody sees the first one."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass

import psutil

from tests.bench import lane, tables
from tests.bench.measure import cpu_seconds
from tests.bench.plan import milliseconds
from tests.bench.stage import stage

MODEL = "talks-on"  # ten tokens of one letter a second, until somebody hangs up


@dataclass
class Talking:
    """What happened while a number of answers were streamed."""

    firsts: list[float]  # seconds until each began
    memory: float  # bytes of the worker that it shares with nobody
    tokens: float  # a second, as they arrived
    cpu: float  # seconds of the worker, of each token


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="streams")
    parser.add_argument("--streams", type=int, nargs="+", default=[50, 100, 200], help="at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="for which they are listened to")
    told = parser.parse_args(arguments)
    with stage() as here, lane.lane(here, MODEL, threads=max(told.streams) + 20) as about:
        asyncio.run(talk(about, 2, 1.0))  # what is loaded with the first questions
        idle = memory(about.worker.pid)
        seen = {count: asyncio.run(talk(about, count, told.seconds)) for count in told.streams}
    columns = (
        "streams",
        "first token, ms\np50 / p99",
        f"worker, MB\n{idle / 1e6:,.0f} without",
        "KB of each",
        "tokens/s",
        "worker's CPU\nof a token, µs",
    )
    tables.show(
        "answers that one worker process streams at once, all asked for at the same moment",
        columns,
        [row(count, one, idle) for count, one in seen.items()],
    )
    return 0


async def talk(about: lane.Lane, count: int, seconds: float) -> Talking:
    """Raises TimeoutError where not all of them begin to talk."""
    pid, seen = about.worker.pid, []

    async def listen(asked: lane.Asked) -> None:
        letters, used, began = asked.letters, cpu_seconds(pid), time.perf_counter()
        await asyncio.sleep(seconds)
        took, tokens = time.perf_counter() - began, asked.letters - letters
        seen.append(Talking(asked.firsts, memory(pid), tokens / took, (cpu_seconds(pid) - used) / tokens))

    await lane.ask_together(about, count, listen)
    return seen[0]


def memory(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().uss)


def row(count: int, seen: Talking, idle: float) -> tuple[str, ...]:
    first = milliseconds(seen.firsts)
    return (
        str(count),
        f"{first['p50']:,.0f} / {first['p99']:,.0f}",
        f"{seen.memory / 1e6:,.0f}",
        f"{(seen.memory - idle) / count / 1e3:,.0f}",
        f"{seen.tokens:,.0f}",
        f"{seen.cpu * 1e6:,.0f}",
    )
