"""The scripted model server in a process of its own: prints its port, and ends when its input does."""

from __future__ import annotations

import sys

from tests.model_server import ModelServer

if __name__ == "__main__":
    with ModelServer() as server:
        print(server.port, flush=True)
        sys.stdin.read()
