"""`$KEFU_DATA/env`: the secrets and addresses that the first `make run` makes up and every later process reads."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from kefu.dev import postgres, redis

PROJECT = Path(__file__).resolve().parent.parent.parent
EASY_TO_READ = "abcdefghjkmnpqrstuvwxyz23456789"
HEADER = """\
# Made by `make run`, and kept: without the two keys sessions end, and stored provider keys cannot be read.
# The addresses are those of the embedded services, PostgreSQL's by two logins. To use your own, set DATABASE_URL and REDIS_URL
# in the real environment, which wins over this file.
"""


def data_folder() -> Path:
    return Path(os.environ.get("KEFU_DATA") or PROJECT / ".data").absolute()


def prepare(folder: Path | None = None) -> dict[str, str]:
    """Completes the file of `folder` (by default the data folder) and returns its values."""
    folder = folder or data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    known = read(folder / "env")
    address = known.get("REDIS_URL")
    values = {
        **known,
        **secrets_for(known),
        "DATABASE_URL": postgres.url(folder / "postgres", postgres.APPLICATION),
        "KEFU_OWNER_DATABASE_URL": postgres.url(folder / "postgres"),
        "REDIS_URL": address if address and is_ours(address, folder / "redis") else redis.fresh_url(),
    }
    if values != known:
        write(folder / "env", values)
    return values


def secrets_for(known: Mapping[str, str]) -> dict[str, str]:
    """The known ones, or new ones."""
    return {
        "KEFU_DEMO_PASSWORD": known.get("KEFU_DEMO_PASSWORD") or demo_password(),
        "KEFU_SECRET_KEY": known.get("KEFU_SECRET_KEY") or secrets.token_urlsafe(48),
        "KEFU_ENCRYPTION_KEYS": known.get("KEFU_ENCRYPTION_KEYS") or Fernet.generate_key().decode(),
    }


def demo_password() -> str:
    """Short enough to type: it guards made-up companies on this machine's loopback."""
    return "-".join("".join(secrets.choice(EASY_TO_READ) for _ in range(4)) for _ in range(2))


def is_ours(address: str, folder: Path) -> bool:
    """Is the port still free for our Redis, or held by the one that already runs?"""
    return redis.running(folder) is not None or redis.port_is_free(urlsplit(address).port or 0)


def read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def write(path: Path, values: Mapping[str, str]) -> None:
    """Replaces the file in one step: a crash leaves the old one or the new one, readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix="env.")
    with os.fdopen(handle, "w") as file:
        file.write(HEADER + "".join(f"{key}={value}\n" for key, value in values.items()))
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
