"""What the product adds to a model's time to the first token: visitors on sockets beside the same server asked directly, at once."""

from __future__ import annotations

import argparse
import asyncio
from statistics import median

from tests.bench import lane, tables
from tests.bench.measure import busy_seconds
from tests.bench.stage import stage


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="first-token")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 32, 100], help="at the same moment")
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args(arguments)
    rows, whole = [], True
    with stage() as here, lane.lane(here, "paced") as about:
        asyncio.run(lane.ask_together(about, 2))  # what is loaded with the first questions
        asyncio.run(lane.ask_directly(about.model, "paced", 2))
        for count in told.streams:
            began = busy_seconds()
            direct = [
                ms(asyncio.run(lane.ask_directly(about.model, "paced", count))) for _ in range(told.runs)
            ]
            asked = [asyncio.run(lane.ask_together(about, count)) for _ in range(told.runs)]
            ours = [ms(one.firsts) for one in asked]
            whole &= all(one.modes == ["generated"] * count for one in asked)
            rows.append(row(count, direct, ours, busy_seconds() - began))
    columns = (
        "streams",
        "directly, ms\np50 (worst)",
        "on a socket, ms\np50 (worst)",
        "added, ms\np50",
        "spread",
        "CPU s, all",
    )
    tables.show(f"time to the first token, median of {told.runs} runs", columns, rows)
    if not whole:
        tables.console.print("Not every answer came from the model.")
    return int(not whole)


def ms(seconds: list[float]) -> tuple[float, float]:
    return median(seconds) * 1000, max(seconds) * 1000


def row(
    count: int, direct: list[tuple[float, float]], ours: list[tuple[float, float]], cpu: float
) -> tuple[str, ...]:
    added = [mine[0] - theirs[0] for mine, theirs in zip(ours, direct, strict=True)]
    shown = [
        f"{median(run[0] for run in runs):,.0f} ({max(run[1] for run in runs):,.0f})"
        for runs in (direct, ours)
    ]
    return (
        str(count),
        *shown,
        f"{median(added):,.0f}",
        f"{min(added):,.0f} to {max(added):,.0f}",
        f"{cpu:,.0f}",
    )
