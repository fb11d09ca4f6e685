"""Form fields for days, typed as people would write them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tenants.admin_fields import LinesField, spans_of

DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
TO = re.compile(r"\s*(?:–|—|~|～|至|到|\s-\s|\sto\s)\s*")
LONGEST = 62  # days from the first to the last of one line


class DaysField(LinesField):
    """["2026-12-31", ...]: one day a line, or the first and the last of several."""

    def prepare_value(self, value: Any) -> Any:
        return super().prepare_value(_runs(value) if isinstance(value, list) else value)

    def clean(self, value: Any) -> list[str]:
        return sorted({day for line in super().clean(value) for day in _days(line)})


class OpenDaysField(LinesField):
    """{"2026-10-03": ["10:00-16:00"], ...}: a day, and its times unless they are the usual ones."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            value = [f"{day} {', '.join(spans)}".strip() for day, spans in sorted(value.items())]
        return super().prepare_value(value)

    def clean(self, value: Any) -> Any:
        opened: dict[str, list[str]] = {}
        for line in super().clean(value):
            match = DAY.match(line)
            day, times = (line[: match.end()], line[match.end() :]) if match else (line, "")
            opened[_day(day).isoformat()] = spans_of(times)
        return opened


def _days(line: str) -> list[str]:
    ends = [_day(part) for part in TO.split(line, maxsplit=1)]
    first, count = ends[0], (ends[-1] - ends[0]).days + 1
    if not 0 < count <= LONGEST:
        raise ValidationError(
            _("“%(text)s”: the last day must come after the first, and within two months of it.")
            % {"text": line}
        )
    return [(first + timedelta(days=ahead)).isoformat() for ahead in range(count)]


def _day(text: str) -> date:
    match = DAY.fullmatch(text.strip())
    with suppress(ValueError):
        if match:
            return date(int(match[1]), int(match[2]), int(match[3]))
    raise ValidationError(_("“%(text)s” is not a day such as 2026-12-31.") % {"text": text})


def _runs(days: list[str]) -> list[str]:
    """Days that follow each other as one line."""
    runs: list[list[str]] = []
    for day in sorted(days):
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        if runs and runs[-1][-1] == before:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [run[0] if len(run) == 1 else f"{run[0]} – {run[-1]}" for run in runs]
