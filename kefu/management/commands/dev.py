"""`manage.py dev`, which is `make run`: the whole product on this machine."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from kefu.dev.run import main


class Command(BaseCommand):
    help = "Runs the whole product on this machine: database, Redis, web server, workers, and a local model if one was fetched."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(main())
