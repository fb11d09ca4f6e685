"""What several verbs take."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable

from django.utils.translation import gettext as _

from kefu.errors import NotFound
from tenants.context import outside
from tenants.models import Tenant


def takes_tenants(parser: ArgumentParser) -> None:
    parser.add_argument("schemas", nargs="+", metavar="SCHEMA", help=_("the tenant's schema, such as acme"))


def changes_something(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help=_("only say what would be done"))


def asks_before(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help=_("do not ask"))


def chosen(schemas: Iterable[str]) -> list[Tenant]:
    """Raises NotFound, with the names that nobody has; the platform itself is no tenant."""
    wanted = list(dict.fromkeys(schemas))
    with outside():
        found = {
            tenant.schema_name: tenant
            for tenant in Tenant.objects.filter(schema_name__in=wanted).exclude(schema_name="public")
        }
    if strangers := [name for name in wanted if name not in found]:
        raise NotFound(_("There is no tenant %(names)s.") % {"names": ", ".join(strangers)})
    return [found[name] for name in wanted]
