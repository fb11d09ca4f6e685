"""`make bench` lists what can be measured; `make bench ARGS=questions` measures it and prints a table."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHES = {
    "servers": "x",
    "idle": "x",
    "growth": "x",
    "two-processes": "x",
    "questions-rate": "x",
    "messages": "visitors' messages, committed, acknowledged and delivered to an agent; beside it a plain Channels build",
    "questions": "how long each of the README's questions takes on the running product (ARGS='questions PORT ROUNDS')",
}


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in BENCHES:
        for name, about in BENCHES.items():
            print(f"  {name:12} {about}")
        return
    sys.exit(import_module(f"tests.bench.{arguments[0].replace('-', '_')}").main(*arguments[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
