"""Brings the plain build up: a database of its own beside the product's, its people, and its server."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.bench.stage import People, Server, bare, port

NAME = "plain"  # of the database


@dataclass(frozen=True)
class Plain:
    """`server` is not started yet; `database` is for whoever wants to count."""

    server: Server
    people: People
    database: str


def plain(folder: Path, database: str, redis: str, *, visitors: int, agents: int) -> Plain:
    """`database` and `redis` are the addresses of running servers, as kefu.dev gives them; logs go to `folder`."""
    parts = urlsplit(database)
    own = urlunsplit(parts._replace(path=f"/{NAME}"))
    with psycopg.connect(database, autocommit=True) as line:
        line.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
        line.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.plain.settings",
        "PLAIN_DATABASE_URL": own,
        "PLAIN_REDIS_URL": redis,
        "PLAIN_SECRET_KEY": secrets.token_urlsafe(48),
    }
    told = ("env", *(f"{name}={value}" for name, value in environment.items()))
    command = (*told, sys.executable, "-m", "tests.bench.plain.prepare", str(visitors), str(agents))
    known = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    server = bare("tests.bench.plain.asgi:application", folder, port(), "plain")
    server.command = (*told, *server.command)
    return Plain(server, People(**known), own)
