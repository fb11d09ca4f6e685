"""Days that a visitor names: 今天, 昨天, 三天前, 11月2日, 2026-11-02, "yesterday", "2 days ago", "Nov 2"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

AWAY = {  # days from today; longer words before those that they hold
    "大前天": -3, "前天": -2, "昨天": -1, "昨日": -1, "大后天": 3, "后天": 2, "明天": 1, "明日": 1, "今天": 0, "今日": 0,
    "day before yesterday": -2, "yesterday": -1, "day after tomorrow": 2, "tomorrow": 1, "today": 0,
}  # fmt: skip
NUMBERS = {word: number for number, word in enumerate("零一二三四五六七八九十")} | {"两": 2}
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = rf"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in MONTHS)})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s*(?P<year>\d{4}))?"

_AWAY = re.compile("|".join(AWAY), re.I)
_AGO = re.compile(r"(?P<count>\d{1,3}|[一二两三四五六七八九十])\s*(?:天(?:以|之)?前|days?\s+ago)", re.I)
_DATES = [
    re.compile(pattern, re.I)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*[日号號]?",
        rf"\b{_MONTH}\s+{_DAY}{_YEAR}\b",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}\b",
    )
]


def day_in(text: str, today: date) -> date | None:
    """The first day named in `text`. Without a year the one nearest to `today` is meant."""
    found = [(match.start(), day) for match, day in _all(text, today) if day]
    return min(found)[1] if found else None


def _all(text: str, today: date) -> Iterator[tuple[re.Match[str], date | None]]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            yield match, _dated(match.groupdict(), today)
    for match in _AGO.finditer(text):
        count = NUMBERS.get(match["count"]) or int(match["count"])
        yield match, today - timedelta(days=count)
    for match in _AWAY.finditer(text):
        yield match, today + timedelta(days=AWAY[match[0].lower()])


def _dated(parts: dict[str, str | None], today: date) -> date | None:
    month = str(parts["month"]).lower()
    number = int(month) if month.isdecimal() else [name[:3] for name in MONTHS].index(month[:3]) + 1
    years = [int(year)] if (year := parts.get("year")) else [today.year - 1, today.year, today.year + 1]
    days = [day for year in years if (day := _day(year, number, int(str(parts["day"]))))]
    return min(days, key=lambda day: abs(day - today), default=None)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
