"""Tenants that are really there, on a database that other processes see too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import translation

from tenants import actions, registry
from tenants.context import outside
from tenants.models import Tenant

EXTRA = {"DJANGO_SETTINGS_MODULE": "tests.extra.settings"}


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), "tenant", *words)


def manage(*words: str, name: str = "tenant", language: str = "en") -> Done:
    """`manage.py tenant WORDS` in this process, or another command of ours."""
    out, err, code = StringIO(), StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err), translation.override(language):
        try:
            call_command(name, *words)
        except SystemExit as end:
            code = int(end.code or 0)
        except CommandError as error:  # which argparse would have said itself
            code = 2
            err.write(str(error))
    registry.forget()
    return Done(code, out.getvalue(), err.getvalue())


def run(*words: str, **variables: str) -> Done:
    """The same as the operator runs it: a process of its own."""
    done = subprocess.run(command(*words), env=surroundings(**variables), capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


def surroundings(**variables: str) -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "DJANGO_SETTINGS_MODULE": "kefu.settings", **variables}


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace")
        return {name for (name,) in cursor.fetchall()}


def remove(schema: str) -> None:
    with outside(), connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        Tenant.objects.filter(schema_name=schema).delete()
    registry.forget()


@pytest.fixture
def initech(committed: None) -> Iterator[Tenant]:
    yield actions.add("initech", "Initech", ["initech.localhost"])
    remove("initech")


@pytest.fixture
def room_for_initech(committed: None) -> Iterator[None]:
    yield
    remove("initech")
