"""How long a visitor waits for each of the README's questions: until the first words, and until the answer stands in the record.

Needs a product that runs (`make run` in another terminal). Each round is one conversation of a new visitor, so that follow-ups follow.
"""

from __future__ import annotations

import time
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.chat.client import Frame, Place, Visitor

QUESTIONS = (
    "你们的退货政策是什么？",
    "我上周买的电饭煲坏了，能换吗？",
    "那运费谁出？",
    "查一下订单 A20231 到哪了",
    "我要投诉",
    "火星上能种土豆吗？",
    "你们可以代开发票吗",
    "转人工",
)
PATIENCE = 90.0  # seconds


def main(port: str = "8000", rounds: str = "3") -> None:
    place = Place("acme.localhost", int(port))
    measured = [list(ask_all(place)) for _ in range(int(rounds))]
    table = Table(
        "question", "kind of answer", "first words, ms", "answer, ms", title=f"median of {rounds} rounds"
    )
    for question, *answers in zip(QUESTIONS, *measured, strict=True):
        firsts, wholes, modes = zip(*answers, strict=True)
        table.add_row(
            question, ", ".join(sorted(set(modes))), f"{median(firsts):,.0f}", f"{median(wholes):,.0f}"
        )
    Console(width=110).print(table)


def ask_all(place: Place):
    visitor = Visitor(place, locale="zh-hans")
    with visitor.socket() as socket:
        for number, question in enumerate(QUESTIONS):
            began = time.perf_counter()
            socket.send("message.send", id=f"q{number}", conversation=visitor.conversation, text=question)
            first = socket.expect(is_words, timeout=PATIENCE)
            first_after = time.perf_counter() - began
            answer = first if first["type"] == "message" else socket.expect(is_answer, timeout=PATIENCE)
            yield first_after * 1000, (time.perf_counter() - began) * 1000, answer["mode"]


def is_words(frame: Frame) -> bool:
    return frame["type"] == "answer.delta" or is_answer(frame)


def is_answer(frame: Frame) -> bool:
    return frame["type"] == "message" and frame["sender"]["kind"] == "bot"
