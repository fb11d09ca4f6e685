"""`manage.py intent_evaluate`: what training on a file makes of another."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _

from inference import figures, labelled, measuring
from inference.labelled import LabelledFileError
from tenants.verbs.screen import Screen, operators_language
from tenants.verbs.watching import watched


class Command(BaseCommand):
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        with translation.override(operators_language()):
            super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        self.help = _("Trains intents with one file and measures them on another. Touches no tenant.")
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--train",
            type=Path,
            required=True,
            metavar="FILE",
            help=_("CSV text,category; JSON lines with text and intent; or CLINC150's JSON"),
        )
        parser.add_argument(
            "--test", type=Path, metavar="FILE", help=_("the same, or the same CLINC150 file")
        )
        parser.add_argument(
            "--folds", type=int, default=5, metavar="N", help=_("without --test: cross-validation, 5 folds")
        )
        parser.add_argument(
            "--shots", type=int, metavar="N", help=_("train with only so many examples of each intent")
        )
        parser.add_argument(
            "--seeds", type=int, default=3, metavar="K", help=_("with --shots: so many different choices, 3")
        )
        parser.add_argument("--json", action="store_true", help=_("print JSON, for programs"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status: 0 measured, 1 a sentence says why not, 2 wrong usage."""
        told, screen = Namespace(**options), Screen(as_json=options["json"])
        try:
            with watched(screen) as progress:
                measured = measuring.measure(_runs(told), progress)
        except LabelledFileError as error:
            screen.fail(str(error))
            sys.exit(1)
        figures.show_measured(screen, measured)
        screen.json(asdict(measured))


def _runs(told: Namespace) -> list[measuring.Run]:
    train = labelled.read(told.train)
    if len({name for _text, name in train}) < 2:
        raise LabelledFileError(_("%(file)s must have at least two intents.") % {"file": told.train})
    if told.test is None:
        return measuring.folds(train, max(2, told.folds))
    test = labelled.read(told.test, part="test")
    if told.shots is None:
        return [(train, test)]
    return measuring.few_shots(train, test, max(1, told.shots), max(1, told.seeds))
