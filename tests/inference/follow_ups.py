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

# Short, and about nothing that either company knows: whatever was asked before, they do not go on with it.
ASIDES = {
    "zh": "火星上能种土豆吗？ / 今天股价多少 / 讲个笑话 / 你会写诗吗 / 现在几度 / 你叫什么名字 / 北京到上海多远 / 谁是美国总统 / "
    "帮我写代码 / 明天会下雨吗 / 你喜欢猫吗 / 推荐一部电影 / 怎么做红烧肉 / 世界杯谁赢了 / 月亮有多大 / 我饿了 / 你多大了 / "
    "地球是圆的吗 / 怎么减肥 / 几点日出",
    "en": "Tell me a joke / Who is the president? / How tall is Everest? / Do you like cats? / What is love? / Write a poem / "
    "Is Mars habitable? / Who won yesterday? / How are you? / Is Paris sunny?",
}
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


async def follow(tenant: Tenant, questions: tuple[str, ...], language: str) -> Turn:
    """The turn of the last question, answered, after those before it were asked and answered by the same pipeline."""
    dialogue = Dialogue()
    for question in questions:
        turn = Turn(tenant, question, dialogue, await mind_of(tenant), Lane.WORKER, LOCALES[language])
        await pipeline.run(turn)
        assert turn.answer is not None
        dialogue = after(dialogue, question, turn.answer.text, turn.answer.open)
    return turn
