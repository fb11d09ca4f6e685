"""`make lock`: exact pins of everything, compiled from the direct dependencies in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kefu.dev.environment import PROJECT

HEADER = "# Compiled by `make lock` from pyproject.toml, where each direct dependency has its reason. Do not edit.\n"
UV = Path(sys.executable).with_name("uv")
WHEELS_ONLY = ("--python-version", "3.11", "--python-platform", "linux", "--only-binary", ":all:")
FILES = {
    "requirements.txt": ("pyproject.toml",),
    "tests/requirements.txt": ("--group", "dev", "--constraints", "requirements.txt"),
}


def main(extra: list[str]) -> int:
    """Keeps the pins that still fit; `extra` goes to uv: `--upgrade`, or `--upgrade-package NAME`."""
    for name, what in FILES.items():
        path = PROJECT / name
        path.touch()
        style = ("--quiet", "--no-header", "--annotation-style", "line", "--output-file", name)
        command = [str(UV), "pip", "compile", *what, *WHEELS_ONLY, *style, *extra]
        done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
        if done.returncode:
            return done.returncode
        path.write_text(HEADER + path.read_text().removeprefix(HEADER))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
