from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kefu.dev.processes import CannotStart
from kefu.dev.supervisor import Program, Supervisor

# Says that it is ready, then waits; tells on the way out in which order it went.
PATIENT = (
    "import signal, sys, time\n"
    "def leave(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); sys.exit()\n"
    "signal.signal(signal.SIGTERM, leave)\n"
    "print('up', flush=True)\n"
    "while True: time.sleep(60)\n"
)
STUBBORN = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()\n"
    "print('up', flush=True)\n"
    "while True: time.sleep(60)\n"
)


def python(name: str, code: str, *arguments: str, **more) -> Program:
    return Program(name=name, command=(sys.executable, "-c", code, *arguments), ready_line="up", **more)


@pytest.fixture
async def supervisor(tmp_path: Path):
    said: list[tuple[str, str]] = []
    supervisor = Supervisor(tmp_path / "logs", lambda *line: said.append(line))
    supervisor.said = said
    yield supervisor
    supervisor.kill()
    await supervisor.stop()


async def until(condition, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def pid_of(supervisor: Supervisor, name: str) -> int:
    process = supervisor.keepers[name].process
    return process.pid if process and process.returncode is None else 0


async def test_it_starts_again_what_was_killed_and_says_so_in_one_line(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start([python("web", PATIENT, str(tmp_path / "order"), "web")])
    await supervisor.wait_until_ready(["web"], 10)
    first = pid_of(supervisor, "web")

    os.kill(first, signal.SIGKILL)

    await until(lambda: pid_of(supervisor, "web") not in (0, first))
    assert supervisor.said == [("web", "ended by signal 9; starting again in 0.5 s")]


async def test_it_stops_the_highest_stage_first(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    rows = [
        python(name, PATIENT, str(order), name, stage=stage)
        for stage, name in enumerate(("store", "worker", "web"))
    ]
    supervisor.start(rows)
    await supervisor.wait_until_ready(["store", "worker", "web"], 10)

    await supervisor.stop()

    assert order.read_text().split() == ["web", "worker", "store"]
    assert supervisor.said == []


async def test_it_kills_with_all_its_children_what_does_not_leave(supervisor: Supervisor) -> None:
    supervisor.start([python("stubborn", STUBBORN, grace=0.2)])
    await supervisor.wait_until_ready(["stubborn"], 10)
    parent = psutil.Process(pid_of(supervisor, "stubborn"))
    family = [parent, *parent.children()]
    assert len(family) == 2

    await supervisor.stop()

    _gone, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


async def test_it_shows_warnings_and_the_name_of_an_exception_and_logs_all(supervisor: Supervisor) -> None:
    code = (
        "import logging; logging.basicConfig(format='%(levelname)s %(message)s', level='INFO')\n"
        "logging.info('quiet'); logging.warning('heed this'); print('x' * 200_000, 'up', flush=True)\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: import traceback; traceback.print_exc()\n"
        "import time; time.sleep(60)\n"
    )
    supervisor.start([python("web", code)])
    await until(lambda: len(supervisor.said) > 1)

    assert supervisor.said == [("web", "WARNING heed this"), ("web", "ZeroDivisionError: division by zero")]
    log = (supervisor.logs / "web.log").read_text()
    assert "INFO quiet" in log and "x" * 200_000 in log and "Traceback" in log


async def test_it_gives_up_on_what_never_comes_up_and_shows_the_end_of_its_log(
    supervisor: Supervisor,
) -> None:
    supervisor.start([python("web", "import sys; sys.exit('no such module: chat')")])

    with pytest.raises(CannotStart, match="no such module: chat"):
        await supervisor.wait_until_ready(["web"], 30)


async def test_it_names_what_is_late(supervisor: Supervisor) -> None:
    supervisor.start([python("web", "import time; time.sleep(60)")])

    with pytest.raises(CannotStart, match=r"web is not ready after 0\.3 s"):
        await supervisor.wait_until_ready(["web"], 0.3)


async def test_it_starts_again_what_lives_and_no_longer_works(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kefu.dev.supervisor.WATCH", 0.02)
    monkeypatch.setattr("kefu.dev.supervisor.PATIENCE", 0.2)
    asked: list[bool] = []

    def works() -> bool:
        asked.append(len(asked) > 2 and not (tmp_path / "stuck").exists())
        return asked[-1]

    supervisor.start([python("worker", PATIENT, str(tmp_path / "order"), "worker", works=works)])
    await until(lambda: len(asked) > 30)
    first = pid_of(supervisor, "worker")
    assert first and supervisor.said == []  # slow to start, then well

    (tmp_path / "stuck").touch()

    await until(lambda: pid_of(supervisor, "worker") not in (0, first))
    assert supervisor.said[0] == ("worker", "lives, but does no work; it is killed")
    assert supervisor.said[1] == ("worker", "ended by signal 9; starting again in 0.5 s")


async def test_it_runs_a_program_to_its_end(supervisor: Supervisor) -> None:
    assert await supervisor.run(python("prepare", "raise SystemExit(3)")) == 3
    assert supervisor.keepers == {}


ORPHANS = """
import asyncio, sys
from pathlib import Path
from kefu.dev.supervisor import Program, Supervisor

async def main():
    supervisor = Supervisor(Path(sys.argv[1]), print)
    supervisor.start(Program(name=n, command=("sleep", "600")) for n in ("a", "b"))
    await supervisor.wait_until_ready(["a", "b"], 10)
    print(*(keeper.process.pid for keeper in supervisor.keepers.values()), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_it_leaves_nothing_behind_even_when_it_is_killed(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    children = [int(pid) for pid in killed.stdout.readline().split()]
    assert len(children) == 2

    killed.kill()
    killed.communicate()

    deadline = time.monotonic() + 5
    while left := [
        pid for pid in children if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
