from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from inference.models import Intent
from inference.opening import hours_text, is_open
from tests.inference.turns import a_mind, answered, company

WEEK = {day: ["09:00-12:00", "13:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")} | {
    "sat": ["10:00-16:00"]
}
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(day: int, clock: str) -> datetime:
    """August 2026, which began on a Saturday."""
    hour, minute = clock.split(":")
    return datetime(2026, 8, day, int(hour), int(minute), tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (3, "08:59", False),
        (3, "09:00", True),
        (3, "11:59", True),
        (3, "12:00", False),
        (3, "13:00", True),
        (3, "18:00", False),
        (1, "10:30", True),
        (1, "17:00", False),
        (2, "11:00", False),
    ],
)
def test_it_knows_when_the_company_is_open(day: int, clock: str, expected: bool) -> None:
    assert is_open(WEEK, at(day, clock)) is expected


def test_it_is_open_around_the_clock_where_nothing_is_said() -> None:
    assert is_open({}, at(2, "03:00"))
    assert hours_text({}, at(2, "03:00")) == ""


def test_it_puts_the_week_into_words_with_equal_days_together() -> None:
    with translation.override("en"):
        lines = hours_text(WEEK, at(3, "10:00")).splitlines()
    assert lines == [
        "We are open right now.",
        "- Monday – Friday: 09:00-12:00, 13:00-18:00",
        "- Saturday: 10:00-16:00",
        "- Sunday: closed",
    ]


async def test_it_tells_the_hours_when_asked_and_nothing_where_there_are_none() -> None:
    hours = a_mind(intent=Intent(name="hours", action=Intent.Action.OPENING_HOURS))
    told = await answered("几点上班", hours, tenant=company(opening_hours=WEEK))
    assert told.answer and "Sunday: closed" in told.answer.text
    silent = await answered("几点上班", hours, tenant=company())
    assert silent.answer is None
