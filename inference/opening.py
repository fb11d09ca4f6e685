"""When the company is open, in words: see `tenants.hours`."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from tenants.hours import DAYS, Day, Week, days_from, is_open, opens_at, says_hours
from tenants.models import Policy

AHEAD = 14  # days of which the unusual ones are told


def hours_text(policy: Policy, now: datetime) -> str:
    """The week in words and what is different soon; empty where the tenant says nothing. `now` in its time zone."""
    if not says_hours(policy):
        return ""
    lines = [f"- {days}: {spans or _('closed')}" for days, spans in _week(policy.opening_hours)]
    return "\n".join([state_text(policy, now), *lines, *(f"- {line}" for line in _unusual(policy, now))])


def state_text(policy: Policy, now: datetime) -> str:
    if is_open(policy, now):
        return _("We are open right now.")
    return " ".join(filter(None, [_("We are closed right now."), opening_text(policy, now)]))


def opening_text(policy: Policy, now: datetime) -> str:
    """When a company that is closed opens again; empty while it is open, and where nobody knows."""
    at = None if is_open(policy, now) else opens_at(policy, now)
    if at is None:
        return ""
    return _("We are open again %(when)s.") % {"when": f"{_day(at, now)} {at:%H:%M}"}


def _day(at: datetime, now: datetime) -> str:
    ahead = (at.date() - now.date()).days
    if ahead < 2:
        return _("tomorrow") if ahead else _("today")
    return str([*DAYS.values()][at.weekday()]) if ahead < 7 else date_format(at, "MONTH_DAY_FORMAT")


def _week(hours: Week) -> list[tuple[str, str]]:
    """(days, spans), days with equal hours together."""
    names = [str(name) for name in DAYS.values()] if hours else []
    rows = zip(names, (", ".join(hours.get(day, [])) for day in DAYS), strict=False)
    groups = [([name for name, _spans in group], spans) for spans, group in groupby(rows, lambda row: row[1])]
    return [(_from_to(days[0], days[-1]), spans) for days, spans in groups]


def _unusual(policy: Policy, now: datetime) -> list[str]:
    days = days_from(policy, now.date(), AHEAD)
    groups = groupby(days, lambda day: (day.is_usual, day.name, ", ".join(day.spans)))
    return [_unusual_line([*group]) for (is_usual, *_rest), group in groups if not is_usual]


def _unusual_line(days: list[Day]) -> str:
    first, last = (date_format(day.date, "MONTH_DAY_FORMAT") for day in (days[0], days[-1]))
    name = f" ({days[0].name})" if days[0].name else ""
    return f"{_from_to(first, last)}{name}: {', '.join(days[0].spans) or _('closed')}"


def _from_to(first: str, last: str) -> str:
    return first if first == last else f"{first} – {last}"
