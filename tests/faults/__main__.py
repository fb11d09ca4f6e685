"""`make faults SEED=7 MINUTES=5`: faults chosen by the seed, for so long; one minute and a seed of its own without them."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys

from tests.faults import plain
from tests.faults.breakages import FAULTS
from tests.faults.run import run
from tests.faults.troupe import Troupe


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(100_000))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--faults", default="", help="only these, with commas between: " + ", ".join(FAULTS))
    parser.add_argument("--plain", action="store_true", help="of the plain build of tests/bench")
    wanted = parser.parse_args()
    names = wanted.faults.split(",") if wanted.faults else plain.FAULTS if wanted.plain else tuple(FAULTS)
    kind = plain.PlainTroupe if wanted.plain else Troupe
    violations = asyncio.run(run(wanted.seed, wanted.minutes * 60, names, kind))
    return 1 if violations else 0


sys.exit(main())
