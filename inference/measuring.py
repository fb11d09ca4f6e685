"""How well, how fast and how large: what training on some examples makes of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import mean, quantiles
from time import perf_counter

from inference import intent, second
from inference.intent import OUT_OF_SCOPE, Answered, IntentModel, Report
from inference.second import SecondOpinion
from tenants.progress import Progress, unwatched

Examples = Sequence[tuple[str, str]]  # text, intent
Run = tuple[Examples, Examples]  # to train with, to be measured on

_TIMED = 1_000  # questions


@dataclass(frozen=True)
class Measured:
    """Averages over all runs. `quick` and `second` answered every question alone; `together` is what visitors get."""

    quick: Report
    second: Report | None  # None where there are not two intents to tell apart
    together: Report
    asked: float  # the share of questions for which the second opinion was wanted
    accuracies: tuple[float, ...]  # of the best guesses of both together, run by run
    trained_with: int  # examples, in the last run
    milliseconds: tuple[float, float]  # p50 and p99 of the quick model: one question on one thread
    training_seconds: float
    bytes: tuple[int, int]  # of the quick model, and of the second opinion


@dataclass
class _Answers:
    quick: list[Answered] = field(default_factory=list)
    second: list[Answered] = field(default_factory=list)
    together: list[Answered] = field(default_factory=list)
    asked: int = 0


def measure(runs: Sequence[Run], progress: Progress = unwatched) -> Measured:
    """Raises ValueError where there are not two intents to train with."""
    answers = _Answers()
    accuracies, seconds = [], []
    latencies: list[float] = []
    for train, test in runs:
        began = perf_counter()
        trained = intent.train_both(train, progress=progress)
        seconds.append(perf_counter() - began)
        model = intent.load(trained.quick)
        answered_before = len(answers.together)
        _answer(model, second.load(trained.second) if trained.second else None, test, answers)
        accuracies.append(intent.report(answers.together[answered_before:]).accuracy_unrefused)
        latencies.extend(_latencies(intent.load(trained.quick), test))  # afresh: it remembers questions
    cut = quantiles(latencies, n=100)
    return Measured(
        quick=intent.report(answers.quick),
        second=intent.report(answers.second) if answers.second else None,
        together=intent.report(answers.together),
        asked=answers.asked / len(answers.together),
        accuracies=tuple(accuracies),
        trained_with=len(runs[-1][0]),
        milliseconds=(cut[49], cut[98]),
        training_seconds=mean(seconds),
        bytes=(len(trained.quick), len(trained.second or b"")),
    )


def _answer(model: IntentModel, opinion: SecondOpinion | None, examples: Examples, answers: _Answers) -> None:
    vectors = opinion.encoder.embed([text for text, _label in examples]) if opinion else ()
    for index, (text, label) in enumerate(examples):
        first = both = model.predict(text)
        if opinion:
            answers.second.append((label, opinion.alone(vectors[index])))
            if opinion.is_wanted(text, first):
                answers.asked += 1
                both = opinion.settle(vectors[index], first)
        answers.quick.append((label, first))
        answers.together.append((label, both))


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
