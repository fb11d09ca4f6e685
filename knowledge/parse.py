"""`python -m knowledge.parse KIND <file >text`: the child in which a stranger's file is opened.

It writes `text` and exits 0, or a reason and exits REFUSED. Whatever the file makes of the parser, this process
has little memory and time, no secrets in its environment, no network and no writable file but its output.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from knowledge.loaders import LOADERS, Unreadable

REFUSED = 3
MEMORY_BYTES = 1_500_000_000
CPU_SECONDS = 25
OUTPUT_BYTES = 20_000_000
OPEN_FILES = 64
NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000  # CLONE_NEWUSER | CLONE_NEWNET
FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "os.remove",
    "os.rename",
)


def confine() -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: OUTPUT_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    sys.dont_write_bytecode = True
    # An empty network namespace where the kernel lets us; the hook below holds for Python code everywhere.
    ctypes.CDLL(None, use_errno=True).unshare(NEW_USER_AND_NETWORK)
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(FORBIDDEN) or (event == "open" and _writes(*arguments[1:])):
        raise PermissionError(f"a parser tried {event}")


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return not set(mode).isdisjoint("wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def main(kind: str) -> int:
    data = sys.stdin.buffer.read()
    confine()
    try:
        text = LOADERS[kind](data)
    except Unreadable as unreadable:
        sys.stdout.write(unreadable.reason)
        return REFUSED
    except MemoryError:
        sys.stdout.write("too_much_memory")
        return REFUSED
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > OUTPUT_BYTES:
        sys.stdout.write("too_long")
        return REFUSED
    sys.stdout.buffer.write(encoded)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
