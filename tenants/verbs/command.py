"""A command of the operator's that consists of verbs, each a module as `tenants.verbs` describes it."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError
from django.utils import translation
from django.utils.translation import gettext as _

from kefu.errors import KefuError
from tenants.verbs import Verb
from tenants.verbs.screen import Screen, operators_language


class VerbCommand(BaseCommand):
    verbs: ClassVar[Mapping[str, Verb]]
    about: ClassVar[Any]  # a lazy translation
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        with translation.override(operators_language()):
            super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        self.help = str(self.about)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in self.verbs.items():
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
            return self.verbs[told.verb].run(told, screen)
        except ValidationError as error:
            screen.fail(" ".join(error.messages))
        except KefuError as error:
            screen.fail(error.message)
        except OperationalError as error:
            screen.fail(_("The database does not answer: %(why)s") % {"why": error})
        except KeyboardInterrupt:
            screen.fail(_("Stopped."))
        return 1
