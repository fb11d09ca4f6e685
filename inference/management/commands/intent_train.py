"""`manage.py intent_train --tenant T`: has a tenant's bot learn from the examples that it has now."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _

from inference import figures, intents
from inference.models import IntentModel
from kefu.errors import KefuError, WrongState
from tenants.actions import touch
from tenants.context import inside
from tenants.models import Tenant
from tenants.verbs import options as usual
from tenants.verbs.screen import Screen, operators_language
from tenants.verbs.watching import watched


class Command(BaseCommand):
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        with translation.override(operators_language()):
            super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        self.help = _("Trains a tenant's intents from its examples, and has the result answer at once.")
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--tenant", required=True, metavar="SCHEMA", help=_("the tenant's schema, such as acme")
        )
        parser.add_argument("--json", action="store_true", help=_("print JSON, for programs"))
        usual.changes_something(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status: 0 trained, 1 a sentence says why not, 2 wrong usage."""
        screen = Screen(as_json=options["json"])
        try:
            _train(Namespace(**options), screen)
        except KefuError as error:
            screen.fail(error.message)
            sys.exit(1)


def _train(told: Namespace, screen: Screen) -> None:
    (tenant,) = usual.chosen([told.tenant])
    with inside(tenant):
        before = intents.facts(IntentModel.objects.filter(is_live=True).first())
        with watched(screen) as progress:
            trained = IntentModel()
            learned = intents.learn(trained, progress)
        if not learned:
            raise WrongState(_("At least two intents need examples before anything can be trained."))
        after = intents.facts(trained)
        assert after is not None
        if not told.dry_run:
            _go_live(tenant, trained)
    figures.show_change(screen, before, after)
    if told.dry_run:
        screen.note(_("Nothing was stored: the model that answered before goes on answering."))
    else:
        screen.tick(_("Model %(number)s answers from now on.") % {"number": trained})
    screen.json(
        {
            "tenant": tenant.schema_name,
            "dry_run": told.dry_run,
            "model": trained.pk,
            "before": before and asdict(before),
            "after": asdict(after),
        }
    )


def _go_live(tenant: Tenant, trained: IntentModel) -> None:
    trained.save()
    intents.make_live(trained)
    touch(tenant)
