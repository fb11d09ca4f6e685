from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext_lazy

from tenants import actions
from tenants.models import Tenant
from tenants.verbs import options
from tenants.verbs.screen import Screen
from tenants.verbs.suspend import report

HELP = gettext_lazy("Opens suspended tenants again.")


def add_arguments(parser: ArgumentParser) -> None:
    options.takes_tenants(parser)
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    tenants = options.chosen(told.schemas)
    closed = [tenant for tenant in tenants if not tenant.is_active]
    if not told.dry_run:
        for tenant in closed:
            actions.resume(tenant)
    report(screen, tenants, closed, Tenant.Status.ACTIVE, dry_run=told.dry_run)
    return 0
