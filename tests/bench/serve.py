"""Any ASGI application behind uvicorn as kefu.web runs it: `python -m tests.bench.serve MODULE:APP --port 8000 [--ws NAME]`."""

from __future__ import annotations

import argparse

import uvicorn

from kefu.web import OPTIONS, allow_many_sockets

if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="tests.bench.serve")
    arguments.add_argument("app")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--http", default=OPTIONS["http"])
    arguments.add_argument("--ws", default=OPTIONS["ws"])
    told = arguments.parse_args()
    allow_many_sockets()
    uvicorn.run(told.app, port=told.port, **(OPTIONS | {"http": told.http, "ws": told.ws}))
