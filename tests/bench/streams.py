"""How many answers one worker process streams at once, and what memory they take. The model talks on until it is hung up on."""

from __future__ import annotations

import argparse
import asyncio

import psutil

from tests.bench import lane, tables
from tests.bench.stage import stage


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="streams")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 100, 200], help="at once")
    told = parser.parse_args(arguments)
    rows, before = [], 0.0
    with stage() as here, lane.lane(here, "talks-on", threads=max(told.streams) + 20) as about:
        asyncio.run(lane.ask_together(about, 2))
        worker = psutil.Process(about.worker.pid)
        for count in told.streams:
            asked, now = talking(about, worker, count)
            before = before or now
            each = (now - before) / (count - told.streams[0]) * 1024 if count > told.streams[0] else 0
            last = max(asked.firsts)
            rows.append((str(count), str(len(asked.firsts)), f"{last:.1f}", f"{now:,.0f}", f"{each:,.0f}"))
    columns = ("streams", "seen talking", "all talk after, s", "worker, MB", "KB each")
    tables.show("answers that one worker process streams at once", columns, rows)
    return 0


def talking(about: lane.Lane, worker: psutil.Process, count: int) -> tuple[lane.Asked, float]:
    """Once all of them talk: how they began, and the worker's memory."""
    seen: list[float] = []
    about_all = lane.ask_together(
        about, count, whole=False, during=60, after=lambda: seen.append(memory(worker))
    )
    return asyncio.run(about_all), seen[0]


def memory(process: psutil.Process) -> float:
    """MB that it does not share."""
    return process.memory_full_info().uss / 1e6
