"""`python -m tests.tenants.archive.cut_short`: runs `manage.py tenant ...` for each line it reads, and kills it at a step of it.

A line is JSON: [N, file, words]. A copy of this process, which has everything loaded and no connection, runs the command of these words,
is killed at its Nth step (0: it lives), and leaves what it said in the file, with how many steps there were. The answer is a line too: the
status it ended with.

A step is a call that code of `tenants` makes or is the target of, so that any two statements of it may be what was and was not done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

OURS = {str(path) for path in (Path(__file__).resolve().parents[3] / "tenants").rglob("*.py")}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    import django

    from tenants import owner

    owner.is_at_work = True  # as in manage.py
    django.setup()
    from tenants.erasure import erasing
    from tenants.management.commands.tenant import Command  # noqa: F401  # and all that it needs

    erasing.QUIET = 0  # seconds: nobody is served here who would have to leave first
    for line in sys.stdin:
        last, file, words = json.loads(line)
        child = os.fork()
        if not child:
            _say_into(file)
            _run(last, words)
        _child, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _say_into(file: str) -> None:
    place = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for output in (sys.stdout, sys.stderr):
        os.dup2(place, output.fileno())


def _run(last: int, words: list[str]) -> None:
    from django.core.management import call_command

    steps = 0

    def step(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal steps
        if event == "call":
            caller = frame.f_back
        elif event == "c_call":
            caller = frame
        else:
            return
        if caller and caller.f_code.co_filename in OURS:
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    status: Any = 1
    sys.setprofile(step)
    try:
        call_command("tenant", *words)
    except SystemExit as end:
        status = end.code
    except Exception:
        traceback.print_exc()
    finally:
        sys.setprofile(None)
        sys.stderr.write(f"\nsteps: {steps}\n")
        sys.stdout.flush()
        os._exit(status)  # threads of libraries, which a copy has not, would be waited for


if __name__ == "__main__":
    main()
