"""Where a process's time goes: samples of what holds its interpreter (py-spy), each counted for the module it was in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

SPY = Path(sys.executable).with_name("py-spy")
RATE = 250  # samples a second
OURS = ("chat", "inference", "kefu", "knowledge", "tenants")
FRAME = re.compile(r".* \((?P<path>\S+?)(:\d+)?\)$")


def start(pid: int, seconds: float, kept: Path) -> subprocess.Popen[bytes]:
    what = ("--duration", str(int(seconds)), "--rate", str(RATE), "--format", "raw", "--output", str(kept))
    command = [str(SPY), "record", "--gil", "--nonblocking", "--pid", str(pid), *what]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shares(kept: Path) -> dict[str, float]:
    """By module of ours or package of others, the greatest first: a share of the samples. C code counts for who calls it."""
    samples: Counter[str] = Counter()
    for line in kept.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        samples[_place(stack.split(";")[-1])] += int(number)
    return {place: number / samples.total() for place, number in samples.most_common()}


def _place(frame: str) -> str:
    """ "write (chat/writer.py:80)" is chat/writer, "parse (websockets/frames.py:7)" websockets."""
    found = FRAME.match(frame)
    if not found:
        return frame
    top, *rest = found["path"].removesuffix(".py").split("/")
    return "/".join((top, *rest)) if top in OURS else top
