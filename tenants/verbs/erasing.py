from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kefu.errors import WrongState
from tenants.erasure import erasing
from tenants.erasure.scan import Scan
from tenants.verbs import options
from tenants.verbs.screen import Screen
from tenants.verbs.watching import watched

HELP = gettext_lazy(
    "Removes a tenant and everything of it for good, then looks for it everywhere; 1 if anything is found."
)

# Of tenants.erasure.scan
PLACES = {
    "schemas": gettext_lazy("%(count)d schemas"),
    "tables": gettext_lazy("%(count)d tables"),
    "rows": gettext_lazy("%(count)d rows"),
    "files": gettext_lazy("%(count)d files"),
    "keys": gettext_lazy("%(count)d keys in Redis"),
    "tasks": gettext_lazy("%(count)d tasks in queues"),
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("schema", help=_("the tenant's schema, such as acme"))
    parser.add_argument("--yes", metavar="NAME", help=_("the same name again: do not ask"))
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    if not told.dry_run:
        _ask(told, screen)
    with watched(screen) as progress:
        look = erasing.search if told.dry_run else erasing.erase
        result = look(told.schema, progress)
    _report(screen, told, result)
    return 1 if result.found and not told.dry_run else 0


def _ask(told: Namespace, screen: Screen) -> None:
    """The name has to be typed: a `y` is typed too easily for what cannot be taken back."""
    name = told.yes
    if name is None:
        if screen.as_json or not sys.stdin.isatty():
            raise WrongState(_("Nobody is there to be asked; --yes NAME agrees beforehand."))
        question = _("Everything of %(name)s will be gone for good. Type its name to go on:")
        screen.err.print(question % {"name": told.schema}, end=" ", markup=False)
        name = input().strip()
    if name != told.schema:
        raise WrongState(_("That is another name. Nothing was changed."))


def _report(screen: Screen, told: Namespace, result: Scan) -> None:
    places = ", ".join(str(said) % {"count": result.looked_at[what]} for what, said in PLACES.items())
    screen.note(_("Looked at: %(places)s") % {"places": places})
    for what in result.mentions:
        screen.note(_("Mentioned by others, which is theirs: %(what)s") % {"what": what})
    for what in result.found:
        if told.dry_run:
            screen.note(_("Would be removed: %(what)s") % {"what": what})
        else:
            screen.cross(_("Found: %(what)s") % {"what": what})
    if not result.found:
        screen.tick(_("Nothing of %(name)s is left.") % {"name": told.schema})
    elif not told.dry_run:
        screen.note(_("The same command goes on from here."))
    screen.json(
        {
            "dry_run": told.dry_run,
            "schema": told.schema,
            "looked_at": dict(result.looked_at),
            "found": result.found,
            "mentions": result.mentions,
        }
    )
