from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kefu.errors import WrongState
from tenants import actions
from tenants.context import inside, outside
from tenants.models import Plan
from tenants.verbs import options
from tenants.verbs.screen import Screen

HELP = gettext_lazy(
    "Adds a tenant, with its schema, its hosts and a login that sets it up; all of it or nothing."
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "schema", help=_("small letters, digits and underscores, such as acme; it stays as it is")
    )
    parser.add_argument("--name", help=_("the company's name; if not given, the schema's"))
    parser.add_argument(
        "--host",
        action="append",
        required=True,
        help=_(
            "where the tenant is found, such as help.shop.example; may be given several times, the main one first"
        ),
    )
    parser.add_argument(
        "--language",
        choices=dict(settings.LANGUAGES),
        default=settings.LANGUAGE_CODE,
        help=_("the company's own (%(default)s)"),
    )
    parser.add_argument(
        "--time-zone", default=settings.TIME_ZONE, metavar="ZONE", help=_("the company's own (%(default)s)")
    )
    parser.add_argument("--plan", metavar="NAME", help=_("how much it may use; if not given, the first plan"))
    parser.add_argument("--admin", default="admin", metavar="LOGIN", help=_("who sets it up (admin)"))
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help=_("holds that login's password; - is standard input. Without it one is made, and shown once"),
    )
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    if told.time_zone not in available_timezones():
        raise WrongState(_("There is no time zone %(name)s.") % {"name": told.time_zone})
    password = _password(told)
    with outside(), transaction.atomic():
        about = {"locale": told.language, "time_zone": told.time_zone} | _plan(told.plan)
        tenant = actions.add(told.schema, told.name or told.schema, told.host, **about)
        with inside(tenant):
            User.objects.create_superuser(told.admin, password=password)
        hosts = [domain.domain for domain in tenant.domains.order_by("-is_primary", "domain")]
        transaction.set_rollback(told.dry_run)
    made: dict[str, Any] = {
        "dry_run": told.dry_run,
        "schema": tenant.schema_name,
        "name": tenant.name,
        "hosts": hosts,
        "plan": tenant.plan.name,
        "admin": told.admin,
    }
    if not told.password_file and not told.dry_run:
        made["password"] = password
    _show(screen, made)
    return 0


def _plan(name: str | None) -> dict[str, Plan]:
    if name is None:
        return {}
    plans = {plan.name: plan for plan in Plan.objects.all()}
    if name not in plans:
        said = _("There is no plan %(name)s, only: %(names)s") % {"name": name, "names": ", ".join(plans)}
        raise WrongState(said)
    return {"plan": plans[name]}


def _password(told: Namespace) -> str:
    if not told.password_file:
        return secrets.token_urlsafe(12)
    try:
        text = sys.stdin.read() if told.password_file == "-" else Path(told.password_file).read_text()
    except OSError as error:
        raise WrongState(f"{told.password_file}: {error.strerror}") from None
    password = text.strip()
    validate_password(password, User(username=told.admin))
    return password


def _show(screen: Screen, made: dict[str, Any]) -> None:
    if made["dry_run"]:
        screen.note(_("%(name)s could be added; nothing was changed") % {"name": made["schema"]})
    else:
        screen.tick(_("%(name)s is there") % {"name": made["schema"]})
        for host in made["hosts"]:
            screen.note(f"https://{host}/admin/" if settings.SECURE_TLS else f"http://{host}/admin/")
        screen.note(_("login: %(login)s") % {"login": made["admin"]})
        if "password" in made:
            screen.note(_("password: %(password)s") % {"password": made["password"]})
    screen.json(made)
