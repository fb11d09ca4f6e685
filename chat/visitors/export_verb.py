from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.visitors import erase_verb
from chat.visitors.exporting import Export, export
from kefu.errors import WrongState
from tenants.models import Tenant
from tenants.verbs import options
from tenants.verbs.screen import Screen

HELP = gettext_lazy(
    "Writes what is kept of one visitor into a ZIP: a readable file, and the files they sent or got."
)


def add_arguments(parser: ArgumentParser) -> None:
    erase_verb.takes_visitor(parser)
    parser.add_argument(
        "file", nargs="?", type=Path, help=_("if not given, one named by the visitor and the time, here")
    )
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    (tenant,) = options.chosen([told.tenant])
    if told.dry_run:
        return erase_verb.survey(tenant, told, screen)
    path = told.file or Path(f"visitor-{str(told.visitor)[:8]}-{timezone.localtime():%Y%m%d-%H%M}.zip")
    _report(screen, path, _write(tenant, told, path))
    return 0


def _write(tenant: Tenant, told: Namespace, path: Path) -> Export:
    """For its owner alone. Of an export that failed nothing stays."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise WrongState(
            _("%(path)s cannot be written: %(why)s") % {"path": path, "why": error.strerror}
        ) from None
    try:
        with os.fdopen(file, "w+b") as target:
            return export(tenant, told.visitor, target)
    except BaseException:
        path.unlink()
        raise


def _report(screen: Screen, path: Path, done: Export) -> None:
    said = _("%(path)s: %(conversations)d conversations with %(messages)d messages, %(files)d files")
    screen.tick(said % {"path": path, **asdict(done)})
    for name in done.missing:
        screen.note(_("Not on the disk any more: %(name)s") % {"name": name})
    screen.json({"dry_run": False, "file": path, **asdict(done)})
