"""`python -m tests.tenants.archive.cut_short N VERB ...`: `manage.py tenant VERB ...`, killed at its Nth step. 0: it lives, and says how
many steps there were.

A step is a call that code of `tenants` makes or is the target of, so that any two statements of it may be what was and was not done.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

OURS = str(Path(__file__).resolve().parent.parent.parent.parent / "tenants")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    last, arguments = int(sys.argv[1]), sys.argv[2:]
    import django
    from django.core.management import call_command

    django.setup()
    steps = 0

    def step(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal steps
        caller = frame if event.startswith("c_") else frame.f_back
        if event in ("call", "c_call") and caller and caller.f_code.co_filename.startswith(OURS):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(step)
    try:
        call_command("tenant", *arguments)
    finally:
        sys.setprofile(None)
        sys.stderr.write(f"\nsteps: {steps}\n")


if __name__ == "__main__":
    main()
