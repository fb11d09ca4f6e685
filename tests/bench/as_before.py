"""Whether an answer may be given again to a question that is not quite the same: pairs of questions that people labelled.

Two rules are counted over `lcqmc` (of all kinds) and `bq` (of a bank's customers): the same words but for punctuation, politeness,
case and width, which is what the product does; and vectors that are nearly the same, alone or together with the same set of words.
"Rightly" is the share of the pairs taken for the same that people took for the same, "found" the share of those that the rule finds.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FILES = {"lcqmc": ("lcqmc/dev.txt", "\t"), "bq": ("bq/dev.csv", ",")}
NEAR = (0.95, 0.97, 0.98, 0.99)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    table = Table("pairs", "rule", "taken for the same", "rightly", "found")
    for name in FILES:
        pairs = list(_read(name))
        for rule, taken in _rules(pairs):
            same = np.array([label for *_, label in pairs])
            right = same[taken].mean() if taken.any() else float("nan")
            table.add_row(
                f"{name}, {len(pairs):,}",
                rule,
                f"{taken.sum():,}",
                f"{right:.1%}",
                f"{same[taken].sum() / same.sum():.1%}",
            )
    Console(width=120).print(table)
    return 0


def _read(name: str) -> Iterator[tuple[str, str, bool]]:
    path, delimiter = FILES[name]
    with (DATA / path).open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(
            file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        ):
            if len(row) == 3 and row[2] in "01":
                yield row[0], row[1], row[2] == "1"


def _rules(pairs):
    from knowledge.embedding import embed
    from knowledge.entries import bare
    from knowledge.words import words

    yield "bare words", np.array([bare(one) == bare(two) for one, two, _ in pairs])
    cosine = (embed([one for one, *_ in pairs]) * embed([two for _, two, _ in pairs])).sum(axis=1)
    alike = np.array([set(words(one)) == set(words(two)) for one, two, _ in pairs])
    for least in NEAR:
        yield f"cosine {least} and up", cosine >= least
    for least in NEAR:
        yield f"cosine {least} and up, same words", (cosine >= least) & alike
