"""A pytest plugin: the whole product as `make run` starts it, in a folder of its own, once for all tests that ask for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from kefu.dev.redis import free_port

ROOT = Path(__file__).resolve().parent.parent
# What tests.services set for tests inside this process; the product makes its own.
OURS = ("KEFU_", "DATABASE_URL", "REDIS_URL")
START_SECONDS = 240


@dataclass(frozen=True)
class Product:
    port: int
    data: Path
    supervisor: psutil.Process
    password: str

    def url(self, company: str, path: str = "/") -> str:
        host = f"{company}.localhost" if company else "localhost"
        return f"http://{host}:{self.port}{path}"

    def processes(self, words: str) -> list[psutil.Process]:
        """The running programs whose command line holds `words`."""
        return [
            child for child in self.supervisor.children(recursive=True) if words in " ".join(_command(child))
        ]

    def kill(self, words: str) -> None:
        """As a crash would: no warning, nothing cleaned up."""
        for process in self.processes(words):
            process.kill()
            process.wait(10)


def wait_until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    with tempfile.TemporaryDirectory(prefix="kefu-product-") as folder:
        data = Path(folder)
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        environment |= {"KEFU_DATA": str(data), "KEFU_PORT": str(port), "NO_COLOR": "1", "COLUMNS": "200"}
        log = data / "make-run.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "kefu.dev"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(
                lambda: "Kefu is running" in log.read_text() or process.poll() is not None, START_SECONDS
            )
            assert process.poll() is None, log.read_text()
            yield Product(port, data, psutil.Process(process.pid), _password(data))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _password(data: Path) -> str:
    lines = dict(line.split("=", 1) for line in (data / "env").read_text().splitlines() if "=" in line)
    return lines["KEFU_DEMO_PASSWORD"]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
