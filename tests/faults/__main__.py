"""`make faults SEED=7 MINUTES=5`: faults chosen by the seed, for so long; one minute and a seed of its own without them."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys

from tests.faults.nemesis import FAULTS
from tests.faults.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(100_000))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--faults", default=",".join(FAULTS), help="only these, with commas between")
    wanted = parser.parse_args()
    violations = asyncio.run(run(wanted.seed, wanted.minutes * 60, wanted.faults.split(",")))
    return 1 if violations else 0


sys.exit(main())
