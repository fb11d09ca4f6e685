"""Real Celery workers on the tests' own database and Redis."""

from __future__ import annotations

import signal
import sys
from typing import Self

import psutil

from kefu.dev.processes import end, last_lines, start_server
from tenants import tasks
from tests.product import wait_until
from tests.services import FOLDER

ALONE = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")


class Worker:
    """Runs while the block lasts; it sees the environment as it is when the block begins, and runs `setup` before all else."""

    figures = 0  # the port where it tells its figures, if it does

    def __init__(
        self, name: str, queues: str, pool: str = "threads", size: int = 8, setup: str = "pass"
    ) -> None:
        self.log = FOLDER / f"{name}.log"
        self.log.unlink(missing_ok=True)
        start = f"import sys; {setup}; from celery.__main__ import main; sys.exit(main())"
        about = ("-n", name, "-Q", queues, "-P", pool, "-c", str(size))
        self.command = (sys.executable, "-c", start, "-A", "kefu", "worker", *about, *ALONE)

    def __enter__(self) -> Self:
        self.process = psutil.Process(start_server(self.command, self.log, signal.SIGKILL).pid)
        wait_until(lambda: " ready." in self.log.read_text() or not self.process.is_running(), 60)
        assert self.process.is_running(), last_lines(self.log)
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process.pid, ((signal.SIGCONT, 0.0), (signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)))

    def kill(self) -> None:
        """As a crash would."""
        end(self.process.pid, ((signal.SIGKILL, 5.0),))

    def is_running(self) -> bool:
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE


def everything_is_posted() -> None:
    """Tasks are sent by a thread of their own: returns when it has nothing left to send."""
    tasks._postman.submit(lambda: None).result(30)
