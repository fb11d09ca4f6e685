"""What a new tenant takes: as a copy of the migrated template, and by running all migrations, in turn."""

from __future__ import annotations

import argparse
from statistics import median
from time import monotonic

from tests.bench import tables
from tests.bench.stage import stage


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="tenant-creation")
    parser.add_argument("--runs", type=int, default=9, help="tenants of each kind")
    told = parser.parse_args(arguments)
    copied, migrated = [], []
    with stage():
        copy("warm"), migrate("up")
        for number in range(told.runs):
            copied.append(copy(f"copied{number}"))
            migrated.append(migrate(f"migrated{number}"))
    rows = [(name, *figures(those)) for name, those in (("copied", copied), ("migrated", migrated))]
    tables.show(f"{told.runs} new tenants of each kind", ("", "median, ms", "quickest, slowest"), rows)
    ratios = [slow / quick for quick, slow in zip(copied, migrated, strict=True)]
    tables.console.print(
        f"A copy is {median(ratios):.1f} times as quick ({min(ratios):.1f} to {max(ratios):.1f})."
    )
    return 0


def copy(name: str) -> float:
    """Seconds: rows, schema and commit."""
    from tenants import actions

    began = monotonic()
    actions.add(name, name, [f"{name}.localhost"])
    return monotonic() - began


def migrate(name: str) -> float:
    """As django-tenants does it."""
    from django.core.management import call_command
    from django.db import connection

    began = monotonic()
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{name}"')
    call_command("migrate_schemas", schema_name=name, interactive=False, verbosity=0)
    return monotonic() - began


def figures(seconds: list[float]) -> tuple[str, str]:
    return f"{median(seconds) * 1000:,.0f}", f"{min(seconds) * 1000:,.0f}, {max(seconds) * 1000:,.0f}"
