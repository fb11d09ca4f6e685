from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants.archive import exporting, sealing
from tenants.archive.files import SUFFIX
from tenants.archive.manifest import Manifest
from tenants.models import Tenant
from tenants.verbs import options
from tenants.verbs.screen import Screen
from tenants.verbs.watching import watched

HELP = gettext_lazy("Writes one tenant into one file: its rows at one moment, its files and models.")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("schema", help=_("the tenant's schema, such as acme"))
    parser.add_argument(
        "file", nargs="?", type=Path, help=_("if not given, one named by the tenant and the time, here")
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help=_("takes secrets along, sealed with the key in this file; it is made if it is not there"),
    )
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    (tenant,) = options.chosen([told.schema])
    if told.dry_run:
        return _survey(tenant, screen)
    path = told.file or Path(f"{told.schema}-{timezone.localtime():%Y%m%d-%H%M}{SUFFIX}")
    key = _key(told.key_file, screen) if told.key_file else None
    with watched(screen) as progress:
        manifest = exporting.export(tenant, path, key, progress)
    _report(screen, path, manifest)
    return 0


def _key(path: Path, screen: Screen) -> bytes:
    if not path.exists():
        sealing.make_key(path)
        screen.note(
            _("A new key is in %(path)s: keep it, and keep it apart from the archive.") % {"path": path}
        )
    return sealing.read_key(path)


def _survey(tenant: Tenant, screen: Screen) -> int:
    sizes = exporting.survey(tenant)
    screen.table(
        (_("table"), _("bytes on the disk")), [(name, str(size)) for name, size in sizes.items()], [1]
    )
    screen.json({"dry_run": True, "schema": tenant.schema_name, "bytes": sizes})
    return 0


def _report(screen: Screen, path: Path, manifest: Manifest) -> None:
    rows = sum(table.rows for table in manifest.tables)
    size = path.stat().st_size
    said = _("%(path)s: %(tables)d tables with %(rows)d rows, %(files)d files, %(size)d bytes") % {
        "path": path,
        "tables": len(manifest.tables),
        "rows": rows,
        "files": len(manifest.files),
        "size": size,
    }
    screen.tick(said)
    if not manifest.is_sealed:
        screen.note(_("Secrets were left out; with --key-file they come along, sealed."))
    for what in manifest.left_out:
        screen.note(_("Left out, as no archive can hold it: %(what)s") % {"what": what})
    screen.json(
        {
            "dry_run": False,
            "schema": manifest.schema_name,
            "file": path,
            "bytes": size,
            "rows": {table.name: table.rows for table in manifest.tables},
            "files": len(manifest.files),
            "secrets": "sealed" if manifest.is_sealed else "left out",
            "left_out": manifest.left_out,
        }
    )
