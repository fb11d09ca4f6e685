"""`make bench` lists what can be measured; `make bench ARGS="NAME OPTIONS"` measures it and prints a table.

All but `questions` bring their own database, Redis and web processes; their exit code is 1 where a message was lost or doubled.
"""

from __future__ import annotations

import sys
from importlib import import_module

BENCHES = {
    "messages": "visitors write to agents: committed, acknowledged, delivered; beside it a plain Channels build of the same work",
    "questions-rate": "questions that are answered at once: as many as go, and 1,000 a second",
    "two-processes": "visitors on one web process, their agents on another",
    "idle": "20,000 visitors who are only there: memory, messages meanwhile, and the return of all after a restart",
    "growth": "what a message costs when a million are there already (--sizes 0 1000000 5000000)",
    "tenants-talking": "what a message costs when 1, 10, 100 and 500 tenants talk at once, and what the database keeps for each",
    "noisy-neighbour": "how long others wait while one tenant makes nine tenths of the load",
    "tenant-creation": "a new tenant: as a copy of the template, and by migrations, in turn",
    "fleet": "migrations of 10, 100 and 1,000 tenants: nothing to do, and one to do (--sizes 10 100 --jobs 2)",
    "follow-ups": "whether the bot remembers what was asked before (--misses)",
    "dialogue": "what twenty turns take in Redis, beside the same as JSON (FOLDER --dialogues 20)",
    "as-before": "whether answers may be given again to questions that mean the same, and how often that would be wrong",
    "servers": "daphne, uvicorn and granian side by side: what they get right, and how fast they are",
    "first-token": "what the product adds to a model's time to the first token, at 1, 32 and 100 streams",
    "streams": "answers that one worker process streams at once: its memory, and what a token costs (--streams 50 100 200)",
    "worker-lane": "questions a second that a model answers after 0.4 s, through the worker",
    "ladder": "the degradation ladder under a load that rises and falls, as a plot",
    "intent": "how well intents are told apart, on published sets of questions (FOLDER --only banking77)",
    "questions": "how long each of the README's questions takes on a product that runs (PORT ROUNDS)",
}


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in BENCHES:
        for name, about in BENCHES.items():
            print(f"  {name:15} {about}")
        return
    sys.exit(import_module(f"tests.bench.{arguments[0].replace('-', '_')}").main(*arguments[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
