"""Brings the database to the present code: tables of every tenant, then, where
KEFU_DEMO_PASSWORD is set, the demo companies. Run as a process of its own, here and in the image.

Lines that begin with `» ` are for the person who waits. Safe to cut short: each migration is a transaction of its own, and the
seeding adds what is missing.
"""

from __future__ import annotations

import os
import sys

from tenants import owner

PLATFORM_HOSTS = ("localhost", "127.0.0.1")


def say(text: str) -> None:
    sys.stdout.write(f"» {text}\n")
    sys.stdout.flush()


def migrate() -> None:
    """Tenants that fail are named, and not served until `manage.py tenant migrate` succeeds with them; the others are served."""
    from tenants import fleet

    say("Creating tables")
    report = fleet.migrate(wait=True, begin=lambda total: say(f"Migrating {total} tenants"))
    for outcome in report.failed:
        sys.stderr.write(f"{outcome.schema} is not migrated, and not served: {outcome.error}\n")


def add_platform() -> None:
    """The tenant that stands for the installation itself: without it not even `/readyz` has a host to answer for."""
    from tenants import actions
    from tenants.models import Tenant

    if not Tenant.objects.filter(schema_name="public").exists():
        actions.add_platform(PLATFORM_HOSTS)


def main() -> int:
    owner.is_at_work = True
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    import django
    from django.db import OperationalError, connection

    django.setup()
    try:
        connection.ensure_connection()
    except OperationalError as problem:
        sys.stderr.write(f"The database does not answer: {problem}\n")
        return 1
    migrate()
    add_platform()
    if password := os.environ.get("KEFU_DEMO_PASSWORD"):
        from kefu.demo.seeding import seed

        seed(password, say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
