"""`manage.py model fetch|status|remove`, which is `make model`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from kefu.dev import model


class Command(BaseCommand):
    help = "Fetches, shows or removes the local language model."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        model.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(model.run(options["verb"], options["small"], options["source"]))
