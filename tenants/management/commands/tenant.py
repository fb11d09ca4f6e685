"""`manage.py tenant VERB`: what the operator does with tenants. Each verb is a module of `tenants.verbs`."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError
from django.utils import translation
from django.utils.translation import gettext as _

from kefu.errors import KefuError
from tenants.verbs import VERBS
from tenants.verbs.screen import Screen, operators_language


class Command(BaseCommand):
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        with translation.override(operators_language()):
            super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        self.help = _("Adds, lists, suspends, resumes, migrates, exports, imports and erases tenants.")
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in VERBS.items():
            about = str(verb.HELP)
            one = parsers.add_parser(name, help=about, description=about)
            one.add_argument("--json", action="store_true", help=_("print JSON, for programs"))
            verb.add_arguments(one)

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status: 0 done, 1 refused or failed with a sentence that says why, 2 wrong usage."""
        screen = Screen(as_json=options["json"])
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what it warns of is said once, below
        sys.exit(self._run(Namespace(**options), screen))

    def _run(self, told: Namespace, screen: Screen) -> int:
        try:
            return VERBS[told.verb].run(told, screen)
        except ValidationError as error:
            screen.fail(" ".join(error.messages))
        except KefuError as error:
            screen.fail(error.message)
        except OperationalError as error:
            screen.fail(_("The database does not answer: %(why)s") % {"why": error})
        except KeyboardInterrupt:
            screen.fail(_("Stopped."))
        return 1
