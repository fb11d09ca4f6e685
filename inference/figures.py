"""How the figures of intent models are shown, on a screen and as the admin's tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _

from inference.intent import Facts
from inference.measuring import Measured
from tenants.verbs.screen import Screen

_LISTED_CONFUSIONS = 10


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def show_measured(screen: Screen, measured: Measured) -> None:
    report, (p50, p99) = measured.report, measured.milliseconds
    accuracies = measured.accuracies
    rows = [
        (_("accuracy, refused questions counted as wrong"), percent(report.accuracy)),
        (_("accuracy of the best guess"), percent(report.accuracy_unrefused)),
        (_("macro-F1"), percent(report.macro_f1)),
        (_("out of scope: refused, as it should be"), percent(report.out_of_scope_recall)),
        (_("false alarms: refused, though it has an intent"), percent(report.false_alarms)),
        (_("one question on one thread, p50 / p99"), f"{p50:.2f} / {p99:.2f} ms"),
        (_("training"), f"{measured.training_seconds:.1f} s"),
        (_("size"), f"{measured.bytes / 1e6:.1f} MB"),
    ]
    if len(accuracies) > 1:
        rows.insert(
            2,
            (_("lowest and highest of the runs"), f"{percent(min(accuracies))} – {percent(max(accuracies))}"),
        )
    screen.note(
        _("%(questions)d questions, %(runs)d training(s), the last with %(examples)d examples")
        % {"questions": report.examples, "runs": len(accuracies), "examples": measured.trained_with}
    )
    screen.table((_("figure"), ""), rows, [1])
    _show_confusions(screen, report.confusions)


def compared(before: Facts | None, after: Facts) -> list[tuple[str, str, str]]:
    """What is compared, as it was and as it is."""

    def row(name: str, figure: Callable[[Facts], str]) -> tuple[str, str, str]:
        return name, figure(before) if before else "–", figure(after)

    return [
        row(_("examples"), lambda facts: str(sum(facts.counts.values()))),
        row(_("intents"), lambda facts: str(len(facts.labels))),
        row(_("accuracy, refused questions counted as wrong"), lambda facts: percent(facts.accuracy)),
        row(_("out of scope: refused, as it should be"), lambda facts: percent(facts.out_of_scope_recall)),
        row(_("false alarms: refused, though it has an intent"), lambda facts: percent(facts.false_alarms)),
    ]


def show_change(screen: Screen, before: Facts | None, after: Facts) -> None:
    screen.table((_("cross-validated"), _("before"), _("after")), compared(before, after), [1, 2])
    _show_confusions(screen, after.confusions)


def _show_confusions(screen: Screen, confusions: Sequence[tuple[str, str, int]]) -> None:
    if confusions:
        screen.table(
            (_("asked"), _("taken for"), _("times")),
            [(one, two, str(count)) for one, two, count in confusions[:_LISTED_CONFUSIONS]],
            [2],
        )
