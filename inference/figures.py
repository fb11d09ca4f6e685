"""How the figures of intent models are shown, on a screen and as the admin's tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _

from inference.intent import Facts, Report
from inference.measuring import Measured
from inference.second import SecondFacts
from tenants.verbs.screen import Screen

_LISTED_CONFUSIONS = 10


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def show_measured(screen: Screen, measured: Measured) -> None:
    accuracies, (p50, p99) = measured.accuracies, measured.milliseconds
    screen.note(
        _("%(questions)d questions, %(runs)d training(s), the last with %(examples)d examples")
        % {
            "questions": measured.together.examples,
            "runs": len(accuracies),
            "examples": measured.trained_with,
        }
    )
    reports = (measured.quick, measured.second, measured.together)
    rows = [
        (name, *(percent(figure(report)) if report else "–" for report in reports))
        for name, figure in _rows().items()
    ]
    screen.table(("", _("quick model"), _("second opinion"), _("both together")), rows, [1, 2, 3])
    sizes = " / ".join(f"{size / 1e6:.1f} MB" for size in measured.bytes)
    facts = [
        (_("the second opinion is asked"), percent(measured.asked)),
        (_("one question to the quick model, on one thread, p50 / p99"), f"{p50:.2f} / {p99:.2f} ms"),
        (_("training of both"), f"{measured.training_seconds:.1f} s"),
        (_("size of each"), sizes),
    ]
    if len(accuracies) > 1:
        spread = f"{percent(min(accuracies))} – {percent(max(accuracies))}"
        facts.insert(0, (_("accuracy of the best guess, lowest and highest run"), spread))
    screen.table(("", ""), facts, [1])
    _show_confusions(screen, measured.together.confusions)


def _rows() -> dict[str, Callable[[Report], float | None]]:
    return {
        _("accuracy, refused questions counted as wrong"): lambda report: report.accuracy,
        _("accuracy of the best guess"): lambda report: report.accuracy_unrefused,
        _("macro-F1"): lambda report: report.macro_f1,
        _("out of scope: refused, as it should be"): lambda report: report.out_of_scope_recall,
        _("false alarms: refused, though it has an intent"): lambda report: report.false_alarms,
    }


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


def compared_both(before: SecondFacts | None, after: SecondFacts) -> list[tuple[str, str, str]]:
    """As `compared`, for what visitors get: both opinions together."""

    def row(name: str, figure: Callable[[SecondFacts], float | None]) -> tuple[str, str, str]:
        return name, percent(figure(before)) if before else "–", percent(figure(after))

    return [
        row(_("accuracy, refused questions counted as wrong"), lambda facts: facts.together.accuracy),
        row(_("out of scope: refused, as it should be"), lambda facts: facts.together.out_of_scope_recall),
        row(_("false alarms: refused, though it has an intent"), lambda facts: facts.together.false_alarms),
        row(_("the second opinion is asked"), lambda facts: facts.asked),
    ]
