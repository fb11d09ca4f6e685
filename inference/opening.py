"""When the company is open, by its policy: {"mon": ["09:00-12:00", "13:00-18:00"], ...} in its own time zone."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

Hours = dict[str, list[str]]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)


def is_open(hours: Hours, now: datetime) -> bool:
    """`now` in the tenant's time zone. A tenant that says nothing about its hours is always open."""
    clock = f"{now:%H:%M}"
    spans = hours.get(DAYS[now.weekday()], [])
    return not hours or any(start <= clock < end for start, end in (span.split("-") for span in spans))


def hours_text(hours: Hours, now: datetime) -> str:
    """The week in words, days with equal hours together; empty where the tenant says nothing."""
    if not hours:
        return ""
    state = _("We are open right now.") if is_open(hours, now) else _("We are closed right now.")
    return "\n".join([state, *(f"- {days}: {spans}" for days, spans in _week(hours))])


def _week(hours: Hours) -> list[tuple[str, str]]:
    rows = []
    for spans, group in groupby(range(7), key=lambda day: ", ".join(hours.get(DAYS[day], []))):
        days = list(group)
        name = str(NAMES[days[0]]) if len(days) == 1 else f"{NAMES[days[0]]} – {NAMES[days[-1]]}"
        rows.append((name, spans or _("closed")))
    return rows
