"""What can be known before anything is started: one clear sentence instead of a traceback later."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kefu.dev import redis
from kefu.dev.environment import PROJECT
from kefu.dev.processes import CannotStart

NEEDED_BYTES = 500 * 1024 * 1024
WHAT_FILLS_THE_DATABASE = ("*/migrations/*.py", "kefu/demo/**/*", "kefu/demo/*", "requirements.txt")


def check_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe = data / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as problem:
        raise CannotStart(
            f"The data folder {data} is not writable ({problem.strerror}); set KEFU_DATA to one that is."
        ) from None
    free = shutil.disk_usage(data).free
    if free < NEEDED_BYTES:
        raise CannotStart(
            f"Only {free // 2**20} MB are free where {data} lies, 500 MB are needed; make room, or set KEFU_DATA to another disk."
        )


def check_port(port: int) -> None:
    if not 0 < port < 65536:
        raise CannotStart(f"KEFU_PORT is {port}; a port is a number from 1 to 65535.")
    if not redis.port_is_free(port):
        raise CannotStart(
            f"Port {port} is taken by another program; stop that one, or choose another port: KEFU_PORT={port + 1} make run"
        )


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Holds the data folder for this process; the kernel lets go of it however we end."""
    with (data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotStart(
                f"Kefu already runs on {data} (process {lock.read().strip() or 'unknown'}). "
                "Stop it first (Ctrl-C there), or set KEFU_DATA and KEFU_PORT for a second one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def fingerprint(data: Path, database: str) -> str:
    """Changes when the tables or the demo companies may have to: with their files, the packages, or the database itself."""
    digest = hashlib.sha256(f"{database} {sys.version}".encode())
    for path in sorted(
        {path for pattern in WHAT_FILLS_THE_DATABASE for path in PROJECT.glob(pattern) if path.is_file()}
    ):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes())
    cluster = data / "postgres" / "PG_VERSION"  # never rewritten: its time tells one cluster from the next
    if cluster.exists():
        digest.update(str(cluster.stat().st_mtime_ns).encode())
    return digest.hexdigest()


def is_prepared(data: Path, mark: str) -> bool:
    path = data / "prepared"
    return path.exists() and path.read_text() == mark


def set_prepared(data: Path, mark: str) -> None:
    """Written only after everything succeeded, so that a first run cut short is taken up again."""
    (data / "prepared").write_text(mark)
