from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import actions
from tenants.models import Tenant
from tenants.verbs import options
from tenants.verbs.screen import Screen

HELP = gettext_lazy(
    "Closes tenants: their pages say so, open chats end within seconds, their tasks are dropped."
)


def add_arguments(parser: ArgumentParser) -> None:
    options.takes_tenants(parser)
    options.changes_something(parser)
    options.asks_before(parser)


def run(told: Namespace, screen: Screen) -> int:
    tenants = options.chosen(told.schemas)
    open_ones = [tenant for tenant in tenants if tenant.is_active]
    if open_ones and not told.dry_run:
        names = ", ".join(tenant.schema_name for tenant in open_ones)
        screen.ask(_("Suspend %(names)s?") % {"names": names}, yes=told.yes)
        for tenant in open_ones:
            actions.suspend(tenant)
    report(screen, tenants, open_ones, Tenant.Status.SUSPENDED, dry_run=told.dry_run)
    return 0


def report(
    screen: Screen, tenants: list[Tenant], changed: list[Tenant], status: Tenant.Status, *, dry_run: bool
) -> None:
    for tenant in tenants:
        if tenant not in changed:
            screen.note(_("%(name)s: was so already") % {"name": tenant.schema_name})
        elif dry_run:
            screen.note(
                _("%(name)s: would be %(status)s") % {"name": tenant.schema_name, "status": status.label}
            )
        else:
            screen.tick(_("%(name)s: %(status)s") % {"name": tenant.schema_name, "status": status.label})
    screen.json(
        {
            "dry_run": dry_run,
            "tenants": [
                {"schema": tenant.schema_name, "status": status.value, "changed": tenant in changed}
                for tenant in tenants
            ],
        }
    )
