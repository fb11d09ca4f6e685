"""Questions that cannot be understood alone, and what a text that answers them matches; written for Kefu over its demo companies."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from inference import pipeline
from inference.dialogue import Dialogue, after
from inference.mind import mind_of
from inference.turn import Lane, Turn
from tenants.models import Tenant

COMPANIES = ("acme", "globex")
LOCALES = {"zh": "zh-hans", "en": "en"}


@dataclass(frozen=True)
class FollowUp:
    company: str
    language: str
    said: tuple[str, ...]  # what was asked before, oldest first
    ask: str
    fact: str  # a regular expression

    def is_answered_by(self, text: str) -> bool:
        return re.search(self.fact, text) is not None


def read() -> list[FollowUp]:
    with (Path(__file__).parent / "follow_ups.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [FollowUp(**row | {"said": tuple(row["said"].split(" / "))}) for row in rows]


async def follow(tenant: Tenant, one: FollowUp) -> Turn:
    """The turn of the follow-up, answered, after the questions before it were asked and answered by the same pipeline."""
    dialogue = Dialogue()
    for question in (*one.said, one.ask):
        turn = Turn(tenant, question, dialogue, await mind_of(tenant), Lane.WORKER, LOCALES[one.language])
        await pipeline.run(turn)
        assert turn.answer is not None
        dialogue = after(dialogue, question, turn.answer.text, turn.answer.open)
    return turn
