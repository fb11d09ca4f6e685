"""What the product adds to a model's time to the first token, while other answers are streamed: visitors on sockets beside the same
server asked directly.
"""

from __future__ import annotations

import argparse
import asyncio

from tests.bench import lane, tables
from tests.bench.plan import milliseconds
from tests.bench.stage import stage
from tests.bench.streams import MODEL


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="first-token")
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[1, 32, 100], help="at once, the new one included"
    )
    parser.add_argument("--questions", type=int, default=30, help="one after another")
    told = parser.parse_args(arguments)
    with stage() as here, lane.lane(here, MODEL) as about:
        asyncio.run(lane.ask_beside(about, 2, 2))  # what is loaded with the first questions
        asyncio.run(lane.ask_directly(about.model, MODEL, 2, 2))
        rows = [row(about, count, told.questions) for count in told.streams]
    columns = ("streams", "directly, ms\np50 / p99", "on a socket, ms\np50 / p99", "added, ms\np50")
    title = f"time to the first token of {told.questions} questions, one after another while the other streams talk"
    tables.show(title, columns, rows)
    return 0


def row(about: lane.Lane, count: int, questions: int) -> tuple[str, ...]:
    direct = milliseconds(asyncio.run(lane.ask_directly(about.model, MODEL, count, questions)))
    ours = milliseconds(asyncio.run(lane.ask_beside(about, count, questions)))
    shown = [f"{one['p50']:,.1f} / {one['p99']:,.1f}" for one in (direct, ours)]
    return str(count), *shown, f"{ours['p50'] - direct['p50']:,.1f}"
