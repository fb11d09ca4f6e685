from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.context import outside
from tenants.models import Tenant
from tenants.verbs.screen import Screen

HELP = gettext_lazy("Shows the tenants.")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("schemas", nargs="*", metavar="SCHEMA", help=_("only these"))
    parser.add_argument("--status", choices=Tenant.Status.values, help=_("only tenants in this state"))


def run(told: Namespace, screen: Screen) -> int:
    with outside():
        rows = (
            Tenant.objects.exclude(schema_name="public").prefetch_related("domains").order_by("schema_name")
        )
        if told.schemas:
            rows = rows.filter(schema_name__in=told.schemas)
        if told.status:
            rows = rows.filter(status=told.status)
        tenants = [_about(tenant) for tenant in rows]
    columns = (_("schema"), _("name"), _("status"), _("hosts"))
    screen.table(
        columns, [(row["schema"], row["name"], row["status"], " ".join(row["domains"])) for row in tenants]
    )
    screen.json(tenants)
    return 0


def _about(tenant: Tenant) -> dict[str, Any]:
    return {
        "schema": tenant.schema_name,
        "name": tenant.name,
        "status": tenant.status,
        "domains": [domain.domain for domain in tenant.domains.all()],
    }
