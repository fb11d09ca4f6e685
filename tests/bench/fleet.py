"""What it takes to migrate all tenants: with nothing to do, and with one migration to do (a table, its content type and permissions)."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from statistics import median
from time import monotonic
from typing import Any

from kefu.dev.environment import PROJECT
from tests.bench import tables
from tests.bench.stage import stage
from tests.extra.undo import undo

PLAIN = 100  # tenants, up to which django-tenants' own command is measured too


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="fleet")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], help="tenants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that migrate")
    parser.add_argument("--runs", type=int, default=3)
    told = parser.parse_args(arguments)
    rows = []
    with stage():
        have = 0
        for size in sorted(told.sizes):
            made = [create(number) for number in range(have, size)]
            have = size
            rows.append((f"{size:,}", *measure(size, made, told)))
    columns = (
        "tenants",
        "a new one, ms",
        "nothing to do, s",
        "... django-tenants, s",
        "one to do, s",
        "tenants/s",
        "web: who is\nbehind, ms",
    )
    tables.show(f"`manage.py tenant migrate`, whole, {told.jobs} processes", columns, rows)
    return 0


def create(number: int) -> float:
    from tenants import actions

    began = monotonic()
    actions.add(f"shop{number}", f"Shop {number}", [f"shop{number}.localhost"])
    return monotonic() - began


def measure(size: int, made: list[float], told: argparse.Namespace) -> tuple[str, ...]:
    nothing = [run("tenant", "migrate", "--json")[0] for _ in range(told.runs)]
    plain = [run("migrate_schemas", "--noinput")[0] for _ in range(told.runs)] if size <= PLAIN else []
    one = [with_one_to_do(size, told.jobs) for _ in range(told.runs)]
    return (
        f"{median(made) * 1000:,.0f}",
        spread(nothing),
        spread(plain) if plain else "-",
        spread(one),
        f"{size / median(one):,.1f}",
        f"{question() * 1000:,.0f}",
    )


def with_one_to_do(size: int, jobs: int) -> float:
    seconds, told = run(
        "tenant", "migrate", "--json", "--jobs", str(jobs), DJANGO_SETTINGS_MODULE="tests.extra.settings"
    )
    assert len(told["migrated"]) == size + 2 and not told["failed"], told  # public and the template too
    undo([*everybody(), "public"])
    return seconds


def run(*words: str, **variables: str) -> tuple[float, Any]:
    """Seconds of the whole command, and what it said."""
    began = monotonic()
    done = subprocess.run(
        (sys.executable, "manage.py", *words),
        cwd=PROJECT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = monotonic() - began
    return seconds, json.loads(done.stdout) if "--json" in words else None


def question() -> float:
    """Seconds that each process takes, every two seconds, to learn whose schema is behind."""
    from tenants import migrating

    times = []
    for _ in range(5):
        began = monotonic()
        migrating.migrated_tenants()
        times.append(monotonic() - began)
    return median(times)


def everybody() -> list[str]:
    from tenants.models import Tenant
    from tenants.names import PUBLIC, TEMPLATE

    return [*Tenant.objects.exclude(schema_name=PUBLIC).values_list("schema_name", flat=True), TEMPLATE]


def spread(seconds: list[float]) -> str:
    return f"{median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
