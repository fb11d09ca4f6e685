"""Whole installations of Kefu, each with a folder, a PostgreSQL, a Redis and keys of its own; commands are run as their operator would."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet, InvalidToken
from redis import Redis

from kefu.dev import postgres, redis
from tests.product import ROOT

# Of the installation, not of the tenant
STAYS = {"django_session", "django_migrations"}


@dataclass(frozen=True)
class Installation:
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def tenant(self, *arguments: str | Path) -> str:
        """What `manage.py tenant ...` printed; it succeeded."""
        done = self.run("manage.py", "tenant", *map(str, arguments))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def told(self, *arguments: str | Path) -> Any:
        """What it said to a program."""
        return json.loads(self.tenant(*arguments, "--json"))

    def database(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.environment["KEFU_OWNER_DATABASE_URL"], autocommit=True)

    def redis(self) -> Redis:
        return Redis.from_url(self.environment["REDIS_URL"])

    # --- What is in it ------------------------------------------------------------------------------------------------

    def schemas(self) -> set[str]:
        with self.database() as line:
            rows = line.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
            )
            return {str(name) for (name,) in rows}

    def rows(self, schema: str) -> dict[str, list[str]]:
        """Every row of every table, as text; secrets as they read when decrypted."""
        with self.database() as line:
            tables = line.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
            ).fetchall()
            return {str(name): self._rows(line, schema, str(name)) for (name,) in tables if name not in STAYS}

    def _rows(self, line: psycopg.Connection[tuple[object, ...]], schema: str, table: str) -> list[str]:
        rows = line.execute(f'SELECT row_to_json(t)::text FROM "{schema}"."{table}" AS t').fetchall()
        return sorted(self._plain(str(text)) for (text,) in rows)

    def _plain(self, row: str) -> str:
        """Fernet's tokens begin with their version, 128, which is gAAAA in base64."""
        fernet = Fernet(self.environment["KEFU_ENCRYPTION_KEYS"])
        for token in [part for part in row.split('"') if part.startswith("gAAAA")]:
            try:
                row = row.replace(token, fernet.decrypt(token).decode())
            except InvalidToken:
                row = row.replace(token, "UNREADABLE")
        return row

    def sequences(self, schema: str) -> dict[str, object]:
        query = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s"
        with self.database() as line:
            found = {str(name): value for name, value in line.execute(query, [schema])}
        return {name: value for name, value in found.items() if name != "django_migrations_id_seq"}

    def files(self, schema: str) -> dict[str, str]:
        top = self.folder / "files" / schema
        return {
            path.relative_to(top).as_posix(): sha256(path.read_bytes()).hexdigest()
            for path in top.rglob("*")
            if path.is_file()
        }

    def everything(self, schema: str) -> tuple[object, ...]:
        """To be compared with another moment's, or another installation's."""
        return self.rows(schema), self.sequences(schema), self.files(schema)


def start(folder: Path) -> Installation:
    """Call from a thread that lives on; end with `stop`."""
    environment = {
        "KEFU_DATA": str(folder),
        "KEFU_SECRET_KEY": secrets.token_urlsafe(48),
        "KEFU_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "KEFU_OWNER_DATABASE_URL": postgres.start(folder / "postgres", durable=False),
        "DATABASE_URL": postgres.url(folder / "postgres", postgres.APPLICATION),
        "REDIS_URL": redis.start(folder / "redis"),
        "LANG": "C.UTF-8",
    }
    return Installation(folder, environment)


def stop(here: Installation) -> None:
    redis.stop(here.folder / "redis")
    postgres.stop(here.folder / "postgres")
