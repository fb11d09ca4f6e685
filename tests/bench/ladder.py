"""The ladder under a load that rises and falls: which rung it stands on through time, as a plot in plain text.

Two scripted servers: a full one that does two questions at once and a light one that does eight, each in a fifth of a second.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter

from tests.bench.stage import company, stage

SHAPE = (
    0.1,
    0.2,
    0.4,
    0.7,
    1.0,
    1.0,
    1.0,
    0.7,
    0.4,
    0.2,
    0.1,
    0.05,
    0.05,
    0.05,
    0.05,
)  # of the peak, in equal parts
RUNGS = ("full", "light", "extract", "human")


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="ladder")
    parser.add_argument("--peak", type=float, default=100.0, help="questions a second")
    parser.add_argument("--seconds", type=float, default=150.0)
    told = parser.parse_args(arguments)
    with stage():
        seen, modes = asyncio.run(play(company(), told.peak, told.seconds))
    plot(seen, told.peak)
    print(
        f"{sum(modes.values())} questions: "
        + ", ".join(f"{count} {mode}" for mode, count in modes.most_common())
    )
    return int(modes["none"] > 0)


async def play(tenant, peak: float, seconds: float):
    """[(rate, rung, seconds to the first words)] of each second, and what became of the questions."""
    from django.conf import settings

    from inference import breaker
    from inference.models import Provider
    from tests.inference.turns import a_mind
    from tests.model_server import SCRIPTS, ModelServer, crowded

    policy = tenant.policy
    policy.ladder_first_token, policy.ladder_stay, policy.answers_kept = 1.0, 6, 0
    breaker.COOL_DOWN = 5.0
    seen, modes = [], Counter[str]()
    with ModelServer() as full, ModelServer() as light:
        settings.OUTBOUND_ALLOW = {full.place, light.place}
        SCRIPTS.update({"two": crowded(2, 0.2), "eight": crowded(8, 0.2)})
        mind = a_mind(providers=(
            Provider(name="full", base_url=full.url, model="two", first_token_seconds=10),
            Provider(name="light", base_url=light.url, model="eight", role="light", first_token_seconds=10),
        ))  # fmt: skip
        began, asking = time.monotonic(), set()
        for second in range(round(seconds)):
            rate = peak * SHAPE[min(int(second / seconds * len(SHAPE)), len(SHAPE) - 1)]
            now: list[tuple[str, float]] = []
            for number in range(max(1, round(rate))):
                await asyncio.sleep(
                    max(0.0, began + second + number / max(1, round(rate)) - time.monotonic())
                )
                task = asyncio.ensure_future(ask(tenant, mind, now, modes))
                asking.add(task)
                task.add_done_callback(asking.discard)
            seen.append((rate, now))
        await asyncio.gather(*asking)
    return [(rate, *summary(now)) for rate, now in seen], modes


async def ask(tenant, mind, now: list[tuple[str, float]], modes: Counter[str]) -> None:
    from inference import degrade, pipeline
    from inference.turn import Lane
    from tests.inference.turns import STEPS_AFTER_RETRIEVAL, a_passage, a_turn

    words: list[float] = []
    began = time.monotonic()

    async def hear(_piece: str) -> None:
        words.append(time.monotonic() - began)

    passages = (a_passage("七天内质量问题可以换货，来回运费由我们承担。"),)
    turn = a_turn("电饭煲坏了能换吗", mind, tenant=tenant, lane=Lane.WORKER, passages=passages, emit=hear)
    turn.query, turn.deadline = turn.question, began + 20
    await pipeline.search(turn, (degrade.choose_rung, *STEPS_AFTER_RETRIEVAL))
    modes[turn.answer.mode if turn.answer else "none"] += 1
    now.append((turn.path[0]["rung"], (words or [time.monotonic() - began])[0]))


def summary(now: list[tuple[str, float]]) -> tuple[str, float]:
    rungs = Counter(rung for rung, _first in now)
    return (rungs.most_common(1)[0][0], sum(first for _rung, first in now) / len(now)) if now else ("", 0.0)


def plot(seen: list[tuple[float, str, float]], peak: float) -> None:
    """A column for two seconds."""
    seen = seen[::2]
    for level in (1.0, 0.75, 0.5, 0.25):
        print(f"{peak * level:6.0f}/s |" + "".join("#" if rate >= peak * level else " " for rate, *_ in seen))
    print(" " * 9 + "+" + "-" * len(seen))
    for rung in RUNGS:
        print(f"{rung:>8} |" + "".join("*" if one == rung else " " for _rate, one, _first in seen))
    print(" " * 9 + "+" + "-" * len(seen))
    for low, high in ((2.0, 99.0), (1.0, 2.0), (0.5, 1.0), (0.0, 0.5)):
        marks = ("o" if rung and low <= first < high else " " for _rate, rung, first in seen)
        print(f"{'>' if high == 99 else '<'} {low if high == 99 else high:4.1f} s |" + "".join(marks))
    print(" " * 10 + "seconds until the first words; a column is two seconds")
