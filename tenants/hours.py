"""When the company is open: its week, the public holidays it keeps, and the days it names itself. All in its own time zone.

A day is what comes first of: closed by the company, opened by the company, a public holiday or a weekend worked in exchange for
one, the week. Spans are `"09:00-18:00"`, in order; the end of a day is 24:00.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from tenants.models import Policy, Tenant

DAYS = {
    "mon": gettext_lazy("Monday"), "tue": gettext_lazy("Tuesday"), "wed": gettext_lazy("Wednesday"),
    "thu": gettext_lazy("Thursday"), "fri": gettext_lazy("Friday"), "sat": gettext_lazy("Saturday"),
    "sun": gettext_lazy("Sunday"),
}  # fmt: skip
Week = dict[str, list[str]]
WHOLE_DAY = ["00:00-24:00"]
AHEAD = 60  # days in which a company that is closed is expected to open again
HOLIDAYS_KNOWN_UNTIL = max(chinese_calendar.holidays).year  # they are published a year at a time


@dataclass(frozen=True)
class Day:
    date: date
    spans: list[str]
    is_usual: bool = True  # as in every week
    name: str = ""  # of the public holiday that makes it another

    def __str__(self) -> str:
        """As it stands in a calendar: "Sat, Nov 28", or "11月28日 星期六"."""
        is_chinese = (get_language() or "").startswith("zh")
        return date_format(self.date, "n月j日 D" if is_chinese else "D, M j")


def says_hours(policy: Policy) -> bool:
    return bool(policy.opening_hours or policy.closed_days or policy.open_days or policy.holidays)


def day_of(policy: Policy, day: date) -> Day:
    key = day.isoformat()
    usual = _usual(policy, day.weekday())
    if key in policy.closed_days:
        return Day(day, [], is_usual=False)
    if key in policy.open_days:
        return Day(day, policy.open_days[key] or usual or _working_day(policy), is_usual=False)
    off, name = public_day(day) if policy.holidays else (False, "")
    if not name:
        return Day(day, usual)
    if off:
        return Day(day, [], False, name)
    return Day(day, _working_day(policy), False, _("worked in exchange for %(holiday)s") % {"holiday": name})


def days_from(policy: Policy, day: date, count: int) -> Iterator[Day]:
    return (day_of(policy, day + timedelta(days=ahead)) for ahead in range(count))


def public_day(day: date) -> tuple[bool, str]:
    """(is it a day off, the holiday's name); no name for an ordinary day, and for a year that is not known yet."""
    try:
        off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return False, ""
    if name and (get_language() or "").startswith("zh"):
        name = chinese_calendar.Holiday(name).chinese
    return off, name or ""


def is_open(policy: Policy, now: datetime) -> bool:
    """`now` in the tenant's time zone. A tenant that says nothing about its hours is always open."""
    clock = f"{now:%H:%M}"
    spans = (span.split("-") for span in day_of(policy, now.date()).spans)
    return any(start <= clock < end for start, end in spans)


def opens_at(policy: Policy, now: datetime) -> datetime | None:
    """The next time that it opens; None where nobody knows."""
    for day in days_from(policy, now.date(), AHEAD):
        for span in day.spans:
            start = datetime.combine(day.date, time.fromisoformat(span.split("-")[0]), now.tzinfo)
            if start > now:
                return start
    return None


def now_at(tenant: Tenant) -> datetime:
    return datetime.now(ZoneInfo(tenant.time_zone))


def _usual(policy: Policy, weekday: int) -> list[str]:
    if not policy.opening_hours:
        return WHOLE_DAY
    spans: list[str] = policy.opening_hours.get([*DAYS][weekday], [])
    return spans


def _working_day(policy: Policy) -> list[str]:
    """The hours of a weekend that is worked: those of the first day of the week that has any."""
    return next((spans for weekday in range(7) if (spans := _usual(policy, weekday))), [])
