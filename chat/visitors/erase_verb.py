from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.visitors import person as persons
from chat.visitors.erasing import erase
from tenants.context import inside
from tenants.erasure.scan import Scan
from tenants.models import Tenant
from tenants.verbs import options
from tenants.verbs.erasing import PLACES
from tenants.verbs.screen import Screen
from tenants.verbs.watching import watched

HELP = gettext_lazy(
    "Removes one visitor and everything of theirs for good, then looks for it; 1 if anything is found."
)


def takes_visitor(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tenant", required=True, metavar="SCHEMA", help=_("the tenant's schema, such as acme")
    )
    parser.add_argument(
        "visitor", type=UUID, metavar="ID", help=_("as the visitor's page in the admin shows it")
    )


def add_arguments(parser: ArgumentParser) -> None:
    takes_visitor(parser)
    options.asks_before(parser)
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    (tenant,) = options.chosen([told.tenant])
    if told.dry_run:
        return survey(tenant, told, screen)
    with inside(tenant):
        person = persons.find(told.visitor)
        quotes = persons.quotes(person)
    question = _("Everything of the visitor %(name)s will be gone for good. Go on?")
    screen.ask(question % {"name": person.visitor.name or told.visitor}, yes=told.yes)
    with watched(screen) as progress:
        result = erase(tenant, told.visitor, progress)
    _report(screen, told, result, quotes)
    return 1 if result.found else 0


def survey(tenant: Tenant, told: Namespace, screen: Screen) -> int:
    with inside(tenant):
        person = persons.find(told.visitor)
        counts, quotes = persons.survey(person), persons.quotes(person)
    screen.table((_("what"), _("how many")), [(what, str(count)) for what, count in counts], [1])
    _note_quotes(screen, quotes)
    screen.json({"dry_run": True, **_about(told), "counts": dict(counts), "quotes": _named(quotes)})
    return 0


def _report(screen: Screen, told: Namespace, result: Scan, quotes: list[models.Model]) -> None:
    looked_at = ", ".join(
        str(said) % {"count": result.looked_at[what]}
        for what, said in PLACES.items()
        if what in result.looked_at
    )
    screen.note(_("Looked at: %(places)s") % {"places": looked_at})
    _note_quotes(screen, quotes)
    for what in result.found:
        screen.cross(_("Found: %(what)s") % {"what": what})
    if result.found:
        screen.note(_("The same command goes on from here."))
    else:
        screen.tick(_("Nothing of the visitor is left."))
    found = {"looked_at": dict(result.looked_at), "found": result.found, "quotes": _named(quotes)}
    screen.json({"dry_run": False, **_about(told), **found})


def _note_quotes(screen: Screen, quotes: list[models.Model]) -> None:
    for what in _named(quotes):
        screen.note(_("Stays, as it is the company's, and quotes the visitor: %(what)s") % {"what": what})


def _named(quotes: list[models.Model]) -> list[str]:
    return [f"{row._meta.verbose_name} {row.pk}" for row in quotes]


def _about(told: Namespace) -> dict[str, Any]:
    return {"tenant": told.tenant, "visitor": told.visitor}
