"""The web process: `python -m kefu.web --port 8000`. How it listens is here alone, for `make run`, the image and the tests."""

from __future__ import annotations

import argparse
import contextlib
import gc
import resource
from typing import Any

import uvicorn

FILES = 65_536
# Objects that come to be before the youngest, and then the older ones, are searched for cycles. A message leaves none behind, but
# thousands a second would have the collector look at every open socket again and again.
COLLECTED_AFTER = (20_000, 20, 100)
OPTIONS: dict[str, Any] = {
    "http": "kefu.wire:Http",
    "ws": "kefu.wire:WebSocket",
    "ws_max_size": 64 * 1024,  # bytes of a message, however many frames it comes in
    "ws_per_message_deflate": False,  # costs a socket 40 KB and more, and makes big messages of small frames
    "ws_ping_interval": 25.0,
    "ws_ping_timeout": 20.0,
    "timeout_keep_alive": 10,
    "timeout_graceful_shutdown": 10,
    "proxy_headers": False,  # who asks is found by KEFU_TRUSTED_PROXIES alone
    "server_header": False,
    "access_log": False,
    "log_level": "warning",  # at "info" it writes a line for each socket
}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="kefu.web")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8000)
    place = arguments.parse_args()
    allow_many_sockets()
    gc.set_threshold(*COLLECTED_AFTER)
    uvicorn.run("kefu.asgi:application", host=place.host, port=place.port, **OPTIONS)


def allow_many_sockets() -> None:
    """A socket is a file, of which a process is often given 1,024 unless it asks for more."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    with contextlib.suppress(ValueError, OSError):  # a system may have a limit of its own below
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, wanted), most))


if __name__ == "__main__":
    main()
