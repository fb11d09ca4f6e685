"""Processes that migrate what they are told, one schema after the other: a line with its name in, a line of JSON out.

Told through a pipe, so that they end by themselves, after the schema they are at, when whoever told them is no more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from django.conf import settings

from tenants import owner

Answer = dict[str, Any]
HandOver = Callable[[list[str]], Iterator[tuple[str, Callable[[], Answer]]]]


class HandDied(Exception):
    """The process was killed, or crashed."""


class Hand:
    """Started when first needed, and again after it died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def do(self, schema: str) -> Answer:
        process = self.process = self.process or _start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(f"{schema}\n")
            process.stdin.flush()
            answer: Answer = json.loads(process.stdout.readline())
        except (OSError, ValueError):
            self.process = None
            process.kill()
            raise HandDied(f"The process that migrated it ended ({process.wait()})") from None
        return answer

    def end(self) -> None:
        if self.process:
            self.process.communicate()


def _start() -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, (str(settings.BASE_DIR), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        (sys.executable, "-m", "tenants.hands"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


@contextmanager
def hands(number: int) -> Iterator[HandOver]:
    """A function that takes schemas, has them done, and gives each with its answer as it comes."""
    all_hands = [Hand() for _ in range(number)]
    idle: SimpleQueue[Hand] = SimpleQueue()
    threads = ThreadPoolExecutor(number)

    def do(schema: str) -> Answer:
        hand = idle.get()
        try:
            return hand.do(schema)
        finally:
            idle.put(hand)

    def hand_over(schemas: list[str]) -> Iterator[tuple[str, Callable[[], Answer]]]:
        futures: dict[Future[Answer], str] = {threads.submit(do, schema): schema for schema in schemas}
        for future in as_completed(futures):
            yield futures[future], future.result

    for hand in all_hands:
        idle.put(hand)
    try:
        yield hand_over
    finally:
        threads.shutdown(cancel_futures=True)
        for hand in all_hands:
            hand.end()


def main() -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is told to everybody: whoever told us ends, and then we
    answers, sys.stdout = sys.stdout, sys.stderr  # what a migration prints is no answer
    owner.is_at_work = True
    import django

    django.setup()
    from dataclasses import asdict

    from tenants.fleet import bring_up

    for line in sys.stdin:
        answers.write(json.dumps(asdict(bring_up(line.strip()))) + "\n")
        answers.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    main()
