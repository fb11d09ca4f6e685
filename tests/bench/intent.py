"""How well intents are told apart, on sets of questions that others published, with their figures beside ours.

FOLDER holds the sets as they are published: banking77/{train,test}.csv, clinc150/data_full.json, smp2019/train.jsonl.
No database and no product is needed. Nothing is trained on, or chosen by, what is measured on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import tables

Runs = list[tuple[list[tuple[str, str]], list[tuple[str, str]]]]


@dataclass(frozen=True)
class Set:
    name: str
    published: str
    runs: Callable[[Path], Runs]


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="intent")
    parser.add_argument("folder", type=Path, help="where the sets of questions are")
    parser.add_argument("--only", nargs="*", help="these sets, by their names' beginnings")
    told = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    import django

    django.setup()
    from inference import measuring
    from inference.figures import percent

    rows, costs = [], []
    for one in SETS:
        if told.only and not one.name.startswith(tuple(told.only)):
            continue
        measured = measuring.measure(one.runs(told.folder))
        reports = [report for report in (measured.quick, measured.second, measured.together) if report]
        together = measured.together
        rows.append(
            (
                one.name,
                *(percent(report.accuracy_unrefused) for report in reports),
                percent(together.accuracy),
                percent(together.out_of_scope_recall),
                percent(together.false_alarms),
                percent(measured.asked),
                one.published,
            )
        )
        p50, p99 = measured.milliseconds
        sizes = " + ".join(f"{size / 1e6:.1f}" for size in measured.bytes)
        costs.append((one.name, f"{p50:.2f} / {p99:.2f}", f"{measured.training_seconds:.0f}", sizes))
    columns = (
        "",
        "quick\nalone",
        "second\nalone",
        "both",
        "both, refused\ncount as wrong",
        "out of scope\nrefused",
        "false\nalarms",
        "second\nis asked",
        "published",
    )
    tables.show("best guesses that are right, unless said otherwise", columns, rows)
    tables.show("cost", ("", "quick, ms\np50 / p99", "training, s", "size, MB"), costs)
    return 0


def _banking77(folder: Path) -> Runs:
    from inference import labelled

    return [(labelled.read(folder / "banking77/train.csv"), labelled.read(folder / "banking77/test.csv"))]


def _banking77_few(folder: Path) -> Runs:
    from inference import measuring

    ((train, test),) = _banking77(folder)
    return measuring.few_shots(train, test, shots=10, seeds=3)


def _clinc150(folder: Path) -> Runs:
    from inference import labelled

    path = folder / "clinc150/data_full.json"
    return [(labelled.read(path), labelled.read(path, part="test"))]


def _smp2019(folder: Path) -> Runs:
    from inference import labelled, measuring

    return measuring.folds(labelled.read(folder / "smp2019/train.jsonl"), 5)


SETS = (
    Set("banking77", "-", _banking77),
    Set("banking77, 10 of each", "USE 84.2, ConveRT 83.3, both 85.2", _banking77_few),
    Set("clinc150", "MLP 93.4, 49.1 refused; BERT 96.2, 52.3", _clinc150),
    Set("smp2019, 5 folds", "none with these folds", _smp2019),
)
