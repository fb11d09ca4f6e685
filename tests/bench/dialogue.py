"""What a dialogue of twenty turns takes in Redis, beside the same turns as JSON: a list of {"role", "text"}, in UTF-8.

Nobody published customers' dialogues of twenty turns under a licence that fits, so they are put together, by chance but always the same:
published questions with what the demo companies answer to them, without a model and in the order in which they come (they do not know
much of it, so that many answers are the same); and harder ones, in which no answer comes twice: the demo companies' entries, each asked
in one of its wordings; published questions in English before sentences of Acme's English help; and `cmrc2018`, which is of no company at
all: questions about encyclopedia articles, and the sentences that answer them. The exit code is 1 where a company's dialogues take more
than 40 %.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from timeit import repeat

from tests.bench import tables
from tests.bench.as_before import DATA
from tests.bench.stage import company, stage

AIM = 0.4
Turns = list[tuple[str, str]]


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="dialogue")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=DATA, help="where the published questions are"
    )
    parser.add_argument("--dialogues", type=int, default=20, help="of each kind")
    told = parser.parse_args(arguments)
    with stage():
        kinds = asyncio.run(_as_they_come(told.folder, told.dialogues))
    kinds |= {name: _sampled(pairs, told.dialogues) for name, pairs in _no_answer_twice(told.folder).items()}
    rows = {name: _measured(dialogues) for name, dialogues in kinds.items()}
    columns = (
        "",
        "JSON, bytes\n(\\u-escaped)",
        "kept,\nbytes",
        "of JSON",
        "the worst",
        "to pack,\nµs",
        "to unpack,\nµs",
    )
    tables.show(
        f"20 turns, median of {told.dialogues} dialogues", columns, [(name, *row) for name, (_share, row) in rows.items()]
    )  # fmt: skip
    return int(any(share > AIM for name, (share, _row) in rows.items() if not name.startswith("cmrc2018")))


def _measured(dialogues: list[Turns]) -> tuple[float, tuple[str, ...]]:
    """(the median share, a row)"""
    from inference import dialogue as said
    from inference.packing import pack

    plain, escaped, kept, packing, unpacking = [], [], [], [], []
    for turns in dialogues:
        dialogue = said.Dialogue()
        for question, answer in turns:
            dialogue = said.after(dialogue, question, answer, {"offer": "person"})
        assert len(dialogue.turns) == said.TURNS
        packed = pack(said._texts(dialogue))
        assert said._read(packed) == dialogue
        # Of what is kept, not of what was said: that long answers are shortened makes nothing look smaller.
        plain.append(len(_json(dialogue, ensure_ascii=False)))
        escaped.append(len(_json(dialogue, ensure_ascii=True)))
        kept.append(len(packed))
        packing.append(min(repeat(lambda told=dialogue: pack(said._texts(told)), number=1, repeat=9)))
        unpacking.append(min(repeat(lambda told=packed: said._read(told), number=1, repeat=9)))
    shares = [less / more for less, more in zip(kept, plain, strict=True)]
    return median(shares), (
        f"{median(plain):,.0f} ({median(escaped):,.0f})",
        f"{median(kept):,.0f}",
        f"{median(shares):.1%}",
        f"{max(shares):.1%}",
        f"{median(packing) * 1e6:.0f}",
        f"{median(unpacking) * 1e6:.0f}",
    )


def _json(dialogue, *, ensure_ascii: bool) -> bytes:
    said = [
        {"role": role, "text": text}
        for turn in dialogue.turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return json.dumps(said, ensure_ascii=ensure_ascii).encode()


async def _as_they_come(folder: Path, count: int) -> dict[str, list[Turns]]:
    kinds = {
        "telecom questions to Globex, as they come": ("globex", "zh-hans", _telecom(folder)),
        "English questions to Acme, as they come": ("acme", "en", _support(folder)),
    }
    return {name: await _answered(count, *about) for name, about in kinds.items()}


async def _answered(count: int, schema: str, locale: str, questions: list[str]) -> list[Turns]:
    from inference import pipeline
    from inference.dialogue import TURNS, Dialogue, after
    from inference.mind import mind_of
    from inference.turn import Lane, Turn

    tenant, chance, dialogues = await asyncio.to_thread(company, schema, demo=True), random.Random(1), []
    for _ in range(count):
        said: Turns = []
        dialogue = Dialogue()
        while len(said) < TURNS:
            turn = Turn(
                tenant, chance.choice(questions), dialogue, await mind_of(tenant), Lane.WORKER, locale
            )
            await pipeline.run(turn)
            if not turn.blocked:
                said.append((turn.question, turn.answer.text))
                dialogue = after(dialogue, *said[-1], turn.answer.open)
        dialogues.append(said)
    return dialogues


def _no_answer_twice(folder: Path) -> dict[str, Turns]:
    from kefu.demo import content
    from knowledge.extract import best_sentences

    chance = random.Random(2)
    pairs = {
        f"entries of {name.title()}, no answer twice": [
            (chance.choice([entry["question"], *entry["variants"]]), entry["answer"])
            for entry in content.read(name, "entries")
        ]
        for name in content.COMPANIES
    }
    (help_page,) = (path for path in content.documents("acme") if path.stem == "english-help")
    sentences = [
        line.strip() for line in re.split(r"(?<=[.:])\s", help_page.read_text("utf-8")) if line.strip()
    ]
    pieces = [" ".join(pair) for pair in zip(sentences[::2], sentences[1::2], strict=False)]
    asked = chance.sample(_support(folder), len(pieces))
    pairs["English questions to Acme, no answer twice"] = list(zip(asked, pieces, strict=True))
    pairs["cmrc2018, no answer twice"] = [
        (question, best_sentences(question, passage)) for question, passage in _encyclopedia(folder, chance)
    ]
    return pairs


def _sampled(pairs: Turns, count: int) -> list[Turns]:
    chance = random.Random(3)
    return [chance.sample(pairs, 20) for _ in range(count)]


def _telecom(folder: Path) -> list[str]:
    known = json.loads((folder / "rasa-zh-telecom/nlu.json").read_text("utf-8"))
    return sorted({example["text"] for example in known["rasa_nlu_data"]["common_examples"]})


def _support(folder: Path) -> list[str]:
    path = folder / "bitext/Bitext_Sample_Customer_Service_Testing_Dataset.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return sorted({row["utterance"] for row in csv.DictReader(file)})


def _encyclopedia(folder: Path, chance: random.Random) -> Iterator[tuple[str, str]]:
    """One question about each passage."""
    known = json.loads((folder / "cmrc2018/cmrc2018_trial.json").read_text("utf-8"))
    for article in known["data"]:
        for passage in article["paragraphs"]:
            yield chance.choice(passage["qas"])["question"], passage["context"]
