"""Starting and ending operating-system processes so that none outlives us unasked."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SERVER_ACCOUNT = "pgserver"
ON_LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if ON_LINUX else None
STARTED: list[subprocess.Popen[bytes]] = []  # held until they ended, or Python calls them forgotten


class CannotStart(Exception):
    """A start that cannot go on, told in a sentence for the person who typed the command."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


def dies_with_parent(last_signal: int) -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel sends `last_signal` when the *thread* that started the process is gone.

    So a process must be started from a thread that lives as long as it should: in practice the main thread.
    """
    if LIBC is None:
        return None
    parent = os.getpid()

    def arm() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, last_signal)
        if os.getppid() != parent:  # it died before we could arm
            os._exit(1)

    return arm


def spawn_options(last_signal: int, account: Account | None = None) -> dict[str, Any]:
    """Keyword arguments for `subprocess.Popen`: own session, no stdin, ends with its parent, under `account` when given."""
    options: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
        "preexec_fn": dies_with_parent(last_signal),
    }
    return options | as_account(account)


def as_account(account: Account | None) -> dict[str, Any]:
    """Keyword arguments for `subprocess` that change to `account`; none at all for None."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def server_account() -> Account | None:
    """PostgreSQL refuses to run as root: then it runs as a system account, made when missing. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return account_named(SERVER_ACCOUNT)
    if shutil.which("useradd"):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_ACCOUNT]
        subprocess.run(command, capture_output=True)
        with contextlib.suppress(KeyError):
            return account_named(SERVER_ACCOUNT)
    return account_named("nobody")


def account_named(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def make_passable(paths: Iterable[Path]) -> list[Path]:
    """Lets other accounts pass through (not list) every folder above `paths`; returns the folders that were changed."""
    changed = []
    for folder in {parent for path in paths for parent in path.parents}:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
            changed.append(folder)
    return sorted(changed)


def is_process(pid: int, name: str, folder: Path) -> bool:
    """Is `pid` a live process of that program which works in `folder`? A reused pid is none."""
    try:
        process = psutil.Process(pid)
        return (
            process.name().startswith(name)
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()) == folder.resolve()
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def start_server(
    command: Sequence[str], log: Path, last_signal: int, account: Account | None = None
) -> subprocess.Popen[bytes]:
    """Starts a process that writes into `log` and ends with the calling thread."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, **spawn_options(last_signal, account)
        )
    STARTED.append(process)
    return process


def end(pid: int, signals: Iterable[tuple[int, float]]) -> bool:
    """Sends each signal in turn and waits its seconds for the process to go; False when it survived them all."""
    try:
        process = psutil.Process(pid)
        for number, seconds in signals:
            process.send_signal(number)
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(seconds)
                break
        else:
            return False
    except psutil.NoSuchProcess:
        pass
    STARTED[:] = [started for started in STARTED if started.poll() is None]
    return True


def kill_group(group: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def last_lines(path: Path, count: int = 12) -> str:
    """The end of a log file, for a message about what went wrong."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
