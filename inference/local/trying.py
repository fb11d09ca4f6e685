"""A local model tried once, in a process of its own that ends with it: for the Test button, beside the web process."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from inference.local.failure import LocalFailed
from inference.local.folders import folder_of
from inference.local.processes import command, surroundings


@dataclass
class Trial:
    process: subprocess.Popen[str]
    device: str = ""
    context: int = 0  # tokens

    def ask(self, request: dict[str, Any]) -> tuple[str, int, int]:
        """(the answer, tokens read, tokens written). Raises LocalFailed."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"id": 1, **request}) + "\n")
        self.process.stdin.flush()
        text = ""
        while True:
            told = self.hear()
            text += told["text"]
            if "end" in told:
                return text, told["read"], told["written"]

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout
        told: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"failed": "ended"}')
        if "failed" in told:
            raise LocalFailed(told["failed"], told.get("detail", ""))
        return told


@contextmanager
def trial(name: str, seconds: float) -> Iterator[Trial]:
    """Loaded, and gone after `seconds` whatever it does. Raises LocalFailed."""
    running = subprocess.Popen(
        command(folder_of(name)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **surroundings()
    )
    watch = threading.Timer(seconds, running.kill)
    watch.start()
    try:
        told = Trial(running)
        ready = told.hear()["ready"]
        told.device, told.context = ready["device"], ready["context"]
        yield told
    finally:
        watch.cancel()
        running.kill()
        running.communicate()
