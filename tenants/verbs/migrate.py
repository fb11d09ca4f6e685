from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from rich.progress import TaskID

from tenants import fleet
from tenants.fleet import Outcome, Report
from tenants.names import PUBLIC, TEMPLATE
from tenants.verbs import options
from tenants.verbs.screen import Screen

HELP = gettext_lazy(
    "Brings all schemas to what this version needs: the platform's own, then those of all tenants, several at a time."
    " One that fails stops nobody; what was cut short goes on when started again."
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--tenant",
        action="append",
        default=[],
        metavar="SCHEMA",
        help=_("only this tenant; may be given several times"),
    )
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help=_("tenants at a time (one a processor)")
    )
    parser.add_argument("--wait", action="store_true", help=_("wait for a migration that is under way"))
    options.changes_something(parser)


def run(told: Namespace, screen: Screen) -> int:
    if told.dry_run:
        return _dry_run(told, screen)
    if told.tenant:
        options.chosen(told.tenant)
    report = _migrate(told, screen)
    _show(screen, report)
    return int(bool(report.failed))


def _migrate(told: Namespace, screen: Screen) -> Report:
    with screen.bar() as bar:
        task: list[TaskID] = []

        def tell(outcome: Outcome) -> None:
            if outcome.error:
                screen.cross(f"{outcome.schema}: {outcome.error}")
            if task:
                bar.advance(task[0])

        return fleet.migrate(
            told.tenant,
            jobs=told.jobs,
            wait=told.wait,
            begin=lambda total: task.append(bar.add_task(_("tenants"), total=total)),
            tell=tell,
        )


def _show(screen: Screen, report: Report) -> None:
    ours = {outcome.schema for outcome in report.outcomes} & {PUBLIC, TEMPLATE}
    done = len(report.outcomes) - len(ours) - len(report.failed)
    for schema in sorted(ours):
        screen.tick(_("%(name)s: migrated") % {"name": schema})
    if done:
        screen.tick(
            ngettext("%(count)d tenant migrated", "%(count)d tenants migrated", done) % {"count": done}
        )
    if report.failed:
        failed = len(report.failed)
        said = ngettext("%(count)d tenant failed", "%(count)d tenants failed", failed)
        screen.cross(said % {"count": failed})
    if not report.outcomes:
        said = ngettext("%(count)d tenant, nothing to do", "%(count)d tenants, nothing to do", report.tenants)
        screen.tick(said % {"count": report.tenants})
    screen.json(
        {
            "dry_run": False,
            "tenants": report.tenants,
            "migrated": [outcome.schema for outcome in report.outcomes if not outcome.error],
            "failed": [{"schema": outcome.schema, "error": outcome.error} for outcome in report.failed],
        }
    )


def _dry_run(told: Namespace, screen: Screen) -> int:
    lacking = {
        schema: names
        for schema, names in fleet.missing().items()
        if names and (not told.tenant or schema in (PUBLIC, TEMPLATE, *told.tenant))
    }
    if not lacking:
        screen.tick(_("Nothing to do"))
    else:
        screen.table(
            (_("schema"), _("to do"), _("up to")),
            [(schema, str(len(names)), names[-1]) for schema, names in lacking.items()],
            numbers=[1],
        )
    screen.json({"dry_run": True, "lacking": lacking})
    return 0
