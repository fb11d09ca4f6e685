"""One run: a stage and a troupe, faults from a seed, then peace, and the verdict of the checker."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.breakages import FAULTS
from tests.faults.checks import Violation, check
from tests.faults.history import Log
from tests.faults.nemesis import haunt, schedule
from tests.faults.stage import until
from tests.faults.troupe import Troupe
from tests.model_server import ModelServer

CONVERGING = ("no answer", "not shown", "pending")  # what time may mend


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def run(
    seed: int, seconds: float, names: Sequence[str] = tuple(FAULTS), kind: type[Troupe] = Troupe
) -> list[Violation]:
    """What was violated; then the log, the views, the rows and the logs of all programs stay in a folder that is printed."""
    folder = Path(tempfile.mkdtemp(prefix="kefu-faults-"))
    log = Log(folder / "history.jsonl")
    say(f"seed {seed}, {seconds:g} s of {', '.join(names)}")
    troupe = kind(log, Random(seed))
    with ModelServer() as model:
        try:
            await troupe.open(folder / "stage", model.url)
            violations = await _perform(troupe, seed, seconds, list(names), folder)
        finally:
            await troupe.close()
            log.close()
    say(f"{len(violations)} violations" + "".join(f"\n  {one}" for one in violations))
    if violations:
        say(f"seed {seed}; everything about this run is in {folder}")
    else:
        shutil.rmtree(folder)
    return violations


async def _perform(
    troupe: Troupe, seed: int, seconds: float, names: list[str], folder: Path
) -> list[Violation]:
    def tell(event: str, name: str) -> None:
        troupe.log.add(event, name=name)
        if event != "heal":
            say(
                f"  {troupe.log.events[-1]['at']:6.1f} s  {name}{' ended by itself' if event == 'died' else ''}"
            )

    await until(lambda: all(bot.line for bot in troupe.bots))
    working = [asyncio.create_task(play) for play in troupe.plays(seconds)]
    keeper = asyncio.create_task(troupe.stage.keep(partial(tell, "died")))
    try:
        await haunt(troupe.stage, troupe.bots, list(schedule(seed, seconds, names)), tell)
        await troupe.stage.mend()
        troupe.over = True
        await _peace(troupe, working)
    finally:
        for task in (keeper, *working):
            task.cancel()
        await asyncio.gather(keeper, *working, return_exceptions=True)
    views, rows = troupe.shown() + await troupe.told_over_http(), await troupe.rows()
    (folder / "views.json").write_text(json.dumps(views))
    (folder / "rows.json").write_text(json.dumps(rows))
    _sum_up(troupe, rows["messages"])
    return check(troupe.log.events, views, rows, troupe.checks)


async def _peace(troupe: Troupe, working: list[asyncio.Task[None]]) -> None:
    """Returns once everything asked is answered and everybody shows the same, or when that took too long."""
    clock = asyncio.get_running_loop().time
    began = clock()
    done, _late = await asyncio.wait(working, timeout=troupe.peace)
    for task in done:
        task.result()
    while found := check(troupe.log.events, troupe.shown(), await troupe.rows(), CONVERGING):
        if clock() - began > troupe.peace:
            break
        await asyncio.sleep(0.5)
    say(f"{'not' if found else 'all'} well {clock() - began:.0f} s after the last fault")


def _sum_up(troupe: Troupe, messages: list[dict[str, Any]]) -> None:
    events = Counter(event["event"] for event in troupe.log.events)
    codes = Counter(str(event["code"]) for event in troupe.log.events if event["event"] == "left")
    say(
        f"{len(messages)} messages ({_listed(Counter(row['kind'] for row in messages))}); "
        f"{events['ok']} operations ok, {events['fail']} refused, {events['unknown']} unknown; "
        f"sockets closed: {_listed(codes)}; {sum(bot.holes for bot in troupe.bots)} holes mended by clients"
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
