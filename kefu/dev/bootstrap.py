"""Makes `.venv` from pinned requirements: `python3.11 bootstrap.py FILE...`. Run as a script, with nothing but Python there.

A stamp in `.venv` names the pins it was made from. It is written last, so an interrupted run is done again, and a complete
one costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
VENV = PROJECT / ".venv"
PYTHON, UV = VENV / "bin" / "python", VENV / "bin" / "uv"
PIP = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet")
NEEDED = (3, 11)


def main(files: list[str]) -> None:
    if sys.version_info[:2] != NEEDED:
        sys.exit(f"Kefu needs Python 3.11; this is {sys.version.split()[0]}.")
    for name in files:
        pins, stamp = PROJECT / name, VENV / f"installed-{name.replace('/', '-')}"
        mark = hashlib.sha256(pins.read_bytes()).hexdigest()
        if not stamp.exists() or stamp.read_text() != mark:
            if not works(PYTHON):
                create()
            say(f"Installing the packages of {name}")
            install(pins)
            stamp.write_text(mark)


def create() -> None:
    say("Making .venv")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            f"{made.stdout}{made.stderr}\nPython cannot make .venv; Debian, Ubuntu: apt install python3.11-venv"
        )


def install(pins: Path) -> None:
    """By uv, for its speed; by pip where uv cannot. Only wheels, so no compiler is needed."""
    wheels = ("--only-binary", ":all:", "-r", str(pins))
    if not works(UV):
        subprocess.run([*PIP, "install", "--only-binary", ":all:", "uv"], capture_output=True)
    if works(UV):
        uv = (str(UV), "pip", "install", "--quiet", "--python", str(PYTHON))
        if not subprocess.run([*uv, *wheels], capture_output=True, env=os.environ | mirror()).returncode:
            return
        say("  once more, with pip")
    done = subprocess.run([*PIP, "install", *wheels], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(
            f"{done.stderr}\nThe packages could not be installed. Is the package index reachable? The next try goes on."
        )


def mirror() -> dict[str, str]:
    """uv does not read pip's configuration, where people name the mirror that they can reach."""
    if {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys():
        return {}
    asked = subprocess.run([*PIP, "config", "get", "global.index-url"], capture_output=True, text=True)
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def works(program: Path) -> bool:
    return (
        program.exists() and not subprocess.run([str(program), "--version"], capture_output=True).returncode
    )


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
