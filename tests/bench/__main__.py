"""`make bench` lists what can be measured; `make bench ARGS=questions` measures it and prints a table."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHES = {
    "questions": "how long each of the README's questions takes on the running product (ARGS='questions PORT ROUNDS')",
}


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in BENCHES:
        for name, about in BENCHES.items():
            print(f"  {name:12} {about}")
        return
    import_module(f"tests.bench.{arguments[0]}").main(*arguments[1:])


main(sys.argv[1:])
