from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import fleet, sizes
from tenants.context import outside
from tenants.models import Tenant
from tenants.names import PUBLIC
from tenants.verbs import options
from tenants.verbs.screen import Screen

HELP = gettext_lazy("Shows the tenants: where they are found, what they take up, how far they are migrated.")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("schemas", nargs="*", metavar="SCHEMA", help=_("only these"))
    parser.add_argument("--status", choices=Tenant.Status.values, help=_("only tenants in this state"))


def run(told: Namespace, screen: Screen) -> int:
    options.chosen(told.schemas)
    rows = (
        Tenant.objects.exclude(schema_name=PUBLIC)
        .select_related("plan")
        .prefetch_related("domains")
        .order_by("schema_name")
    )
    if told.schemas:
        rows = rows.filter(schema_name__in=told.schemas)
    if told.status:
        rows = rows.filter(status=told.status)
    with outside():
        tenants = list(rows)
        known, standings = sizes.by_schema(), fleet.standings()
    about = [
        _about(tenant, known.get(tenant.schema_name, sizes.Size()), standings[tenant.pk])
        for tenant in tenants
    ]
    titles = (
        _("schema"),
        _("name"),
        _("status"),
        _("hosts"),
        _("rows"),
        _("size"),
        _("migrations"),
        _("plan"),
    )
    if about:
        screen.table(titles, [_row(one) for one in about], [4, 5])
    else:
        screen.note(_("There is no such tenant."))
    screen.json(about)
    return 0


def _about(tenant: Tenant, size: sizes.Size, standing: fleet.Standing) -> dict[str, Any]:
    return {
        "schema": tenant.schema_name,
        "name": tenant.name,
        "status": tenant.status,
        # The primary one first.
        "domains": [
            d.domain for d in sorted(tenant.domains.all(), key=lambda d: (not d.is_primary, d.domain))
        ],
        "rows": size.rows,
        "bytes": size.bytes,
        "migrations": {
            "state": standing.state,
            "latest": standing.latest,
            "error": standing.error,
            "changed_at": standing.changed_at,
        },
        "plan": tenant.plan.name,
    }


def _row(about: dict[str, Any]) -> list[str]:
    migrations = about["migrations"]
    return [
        about["schema"],
        about["name"],
        str(Tenant.Status(about["status"]).label),
        " ".join(about["domains"]),
        f"{about['rows']:,}",
        filesizeformat(about["bytes"]),
        " ".join(filter(None, (str(fleet.STATES[migrations["state"]]), migrations["error"]))),
        about["plan"],
    ]
