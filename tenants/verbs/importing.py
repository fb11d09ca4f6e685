from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.archive import importing, sealing
from tenants.archive.importing import Arrival
from tenants.verbs import options
from tenants.verbs.screen import Screen
from tenants.verbs.watching import watched

HELP = gettext_lazy(
    "Brings in a tenant from the file that `export` wrote; all of it or nothing. One that was suspended comes in suspended."
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="", help=_("another schema than it had"))
    parser.add_argument(
        "--host",
        action="append",
        help=_("instead of the hosts it had; may be given several times, the main one first"),
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=_("opens the secrets"))
    parser.add_argument("--suspended", action="store_true", help=_("leaves it closed, until `resume`"))
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    key = sealing.read_key(told.key_file) if told.key_file else None
    with (
        watched(screen) as progress,
        importing.arrival(told.file, key, told.schema, told.host, told.suspended, progress) as arrival,
    ):
        if not told.dry_run:
            importing.bring_in(arrival)
    _report(screen, arrival, told.dry_run)
    return 0


def _report(screen: Screen, arrival: Arrival, dry_run: bool) -> None:
    manifest, missing = arrival.manifest, arrival.missing
    rows = sum(table.rows for table in manifest.tables)
    about = {
        "name": arrival.schema_name,
        "tables": len(manifest.tables),
        "rows": rows,
        "files": len(manifest.files),
    }
    if dry_run:
        said = _(
            "%(name)s could be brought in: %(tables)d tables with %(rows)d rows, %(files)d files; nothing was changed"
        )
        screen.note(said % about)
    else:
        said = _("%(name)s is there: %(tables)d tables with %(rows)d rows, %(files)d files")
        screen.tick(said % about)
    if arrival.is_suspended:
        screen.note(_("It is closed until `resume`."))
    for secret in missing:
        place = f"{secret.table}.{secret.column}: {secret.label}"
        screen.note(_("A secret is missing and has to be entered again: %(place)s") % {"place": place})
    screen.json(
        {
            "dry_run": dry_run,
            "schema": arrival.schema_name,
            "hosts": arrival.hosts,
            "suspended": arrival.is_suspended,
            "rows": {table.name: table.rows for table in manifest.tables},
            "files": len(manifest.files),
            "migrated_forward": arrival.is_older,
            "missing_secrets": [
                {"table": secret.table, "column": secret.column, "key": secret.key, "label": secret.label}
                for secret in missing
            ],
        }
    )
