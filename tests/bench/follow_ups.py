"""Whether the bot remembers what was asked before: follow-ups that cannot be understood alone, over what the demo companies know.

Each is asked of the product's own pipeline, without a model, after the questions before it. "Found" is whether a passage that answers
it is there, first or among the first three: searched by its own words alone, and by the question made self-contained; "answered" is
whether what the visitor reads holds the answer. "Asides" are short questions about anything else, asked at the same places; "taken up"
are those for which a passage about what was asked before is found.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.bench.stage import company, stage

EVERY = 4  # place at which asides are asked
MEASURES = ("found first, alone", "found first", "among three, alone", "among three", "answered")


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="follow-ups")
    parser.add_argument("--misses", action="store_true", help="list what was not answered")
    options = parser.parse_args(arguments)
    console = Console(width=140)
    with stage():
        table, misses = asyncio.run(_measure())
    console.print(table)
    for miss in misses if options.misses else ():
        console.print(miss, markup=False)
    return 0


async def _measure() -> tuple[Table, list[str]]:
    from tests.inference import follow_ups

    tenants = {name: await asyncio.to_thread(company, name, demo=True) for name in follow_ups.COMPANIES}
    asked, right, misses = Counter(), Counter(), []
    for one in follow_ups.read():
        turn = await follow_ups.follow(tenants[one.company], (*one.said, one.ask), one.language)
        found = await _found(turn, one)
        asked[one.language] += 1
        right.update((one.language, name) for name in MEASURES if found[name])
        if not found["answered"]:
            misses.append(
                f"{one}\n    query: {turn.query}\n    {turn.answer.mode}: {turn.answer.text[:160]!r}"
            )
    aside = await _asides(tenants)
    table = Table("language", "follow-ups", *MEASURES, "asides", "taken up")
    for language, total in asked.items():
        measured = [f"{right[language, name] / total:.0%}" for name in MEASURES]
        taken = aside[language]
        table.add_row(language, str(total), *measured, str(len(taken)), f"{sum(taken) / len(taken):.0%}")
    return table, misses


async def _asides(tenants) -> dict[str, list[bool]]:
    """For each language: whether each of them found passages with those before it."""
    from tests.inference import follow_ups

    taken = {language: [] for language in follow_ups.ASIDES}
    for one in follow_ups.read()[::EVERY]:
        for ask in follow_ups.ASIDES[one.language].split(" / "):
            turn = await follow_ups.follow(tenants[one.company], (*one.said, ask), one.language)
            taken[one.language].append(bool(turn.passages) and turn.query != ask)
    return taken


async def _found(turn, one) -> dict[str, bool]:
    from knowledge.retrieval import retrieve
    from tenants.context import database_call

    def holding(passages) -> list[bool]:
        return [one.is_answered_by(passage.text) for passage in passages[:3]]

    alone, whole = (holding(await database_call(turn.tenant, retrieve, one.ask)), holding(turn.passages))
    answered = one.is_answered_by(turn.answer.text)
    return dict(
        zip(MEASURES, (any(alone[:1]), any(whole[:1]), any(alone), any(whole), answered), strict=True)
    )
