"""How well, how fast and how large: what training on some examples makes of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean, quantiles
from time import perf_counter

from inference import intent
from inference.intent import OUT_OF_SCOPE, Answered, IntentModel, Report

Examples = Sequence[tuple[str, str]]  # text, intent
Run = tuple[Examples, Examples]  # to train with, to be measured on

_TIMED = 1_000  # questions


@dataclass(frozen=True)
class Measured:
    """Averages over `runs` trainings; `accuracies` are those of each run's best guesses."""

    report: Report
    accuracies: tuple[float, ...]
    trained_with: int  # examples, in the last run
    milliseconds: tuple[float, float]  # p50 and p99 of one question on one thread
    training_seconds: float
    bytes: int


def measure(runs: Sequence[Run]) -> Measured:
    """Raises ValueError where there are not two intents to train with."""
    answers: list[Answered] = []
    accuracies, seconds, sizes, latencies = [], [], [], []
    for train, test in runs:
        began = perf_counter()
        model = intent.train(train)
        seconds.append(perf_counter() - began)
        sizes.append(len(model))
        loaded = intent.load(model)
        answered = [(label, loaded.predict(text)) for text, label in test]
        accuracies.append(intent.report(answered).accuracy_unrefused)
        latencies.extend(_latencies(loaded, test))
        answers.extend(answered)
    cut = quantiles(latencies, n=100)
    return Measured(
        intent.report(answers),
        tuple(accuracies),
        len(runs[-1][0]),
        (cut[49], cut[98]),
        mean(seconds),
        round(mean(sizes)),
    )


def _latencies(model: IntentModel, examples: Examples) -> Iterator[float]:
    """Milliseconds of each question."""
    for text, _ in examples[:_TIMED]:
        began = perf_counter()
        model.predict(text)
        yield (perf_counter() - began) * 1000


def folds(examples: Examples, count: int) -> list[Run]:
    """`count` runs in which each example is measured once; each intent is spread over all of them."""
    place = {
        index: number % count
        for indexes in _by_intent(examples, Random(0)).values()
        for number, index in enumerate(indexes)
    }
    return [
        (
            [example for index, example in enumerate(examples) if place[index] != fold],
            [example for index, example in enumerate(examples) if place[index] == fold],
        )
        for fold in range(count)
    ]


def few_shots(train: Examples, test: Examples, shots: int, seeds: int) -> list[Run]:
    """`seeds` runs, each with `shots` examples of each intent, and with all of what is to be refused."""
    return [
        (
            [
                train[index]
                for name, indexes in _by_intent(train, Random(seed)).items()
                for index in (indexes if name == OUT_OF_SCOPE else indexes[:shots])
            ],
            test,
        )
        for seed in range(seeds)
    ]


def _by_intent(examples: Examples, chance: Random) -> dict[str, list[int]]:
    """The examples' places by intent, shuffled."""
    places: dict[str, list[int]] = {}
    for index, (_, name) in enumerate(examples):
        places.setdefault(name, []).append(index)
    for indexes in places.values():
        chance.shuffle(indexes)
    return places
