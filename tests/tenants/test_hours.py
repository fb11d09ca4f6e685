from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from tenants.hours import HOLIDAYS_KNOWN_UNTIL, Day, day_of, is_open, opens_at, public_day, says_hours
from tenants.models import Policy

WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
WEEK = {day: ["09:00-12:00", "13:00-18:00"] for day in WORKDAYS} | {"sat": ["10:00-16:00"]}
SHANGHAI = ZoneInfo("Asia/Shanghai")
# 2026: the National Day holidays are from 1 to 7 October; Sunday 20 September and Saturday 10 October are worked in exchange.
NATIONAL_DAY, WORKED_SATURDAY, WORKED_SUNDAY = date(2026, 10, 1), date(2026, 10, 10), date(2026, 9, 20)


def policy(**fields: Any) -> Policy:
    return Policy(**({"opening_hours": WEEK, "holidays": True} | fields))


def at(month: int, day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, month, day, int(hour), int(minute), tzinfo=SHANGHAI)


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
    """August 2026, which began on a Saturday."""
    assert is_open(policy(), at(8, day, clock)) is expected


def test_it_is_open_around_the_clock_where_nothing_is_said() -> None:
    assert is_open(Policy(), at(10, 1, "03:00"))
    assert not says_hours(Policy())


def test_it_is_closed_on_a_public_holiday_where_the_company_keeps_them() -> None:
    assert not is_open(policy(), at(10, 1, "10:00"))
    assert is_open(policy(holidays=False), at(10, 1, "10:00"))
    assert not is_open(Policy(holidays=True), at(10, 1, "10:00"))


def test_it_works_on_a_weekend_that_is_worked_in_exchange() -> None:
    assert is_open(policy(), at(10, 10, "09:30"))
    assert is_open(policy(), at(9, 20, "17:30"))
    assert not is_open(policy(holidays=False), at(10, 10, "09:30"))
    assert not is_open(policy(), at(10, 17, "09:30"))  # an ordinary Saturday begins at ten


def test_it_gives_a_worked_weekend_to_a_company_that_begins_its_week_on_tuesday() -> None:
    tuesdays = policy(opening_hours={"tue": ["08:00-12:00"]})
    assert day_of(tuesdays, WORKED_SATURDAY).spans == ["08:00-12:00"]


def test_it_believes_the_company_before_the_calendar() -> None:
    own = policy(closed_days=["2026-10-10", "2026-08-03"], open_days={"2026-10-01": ["10:00-12:00"]})
    assert not is_open(own, at(10, 10, "10:00"))
    assert not is_open(own, at(8, 3, "10:00"))
    assert is_open(own, at(10, 1, "10:00"))
    assert not is_open(own, at(10, 1, "13:00"))


def test_it_opens_a_day_without_times_as_on_that_weekday_or_as_on_a_working_day() -> None:
    own = policy(open_days={"2026-10-03": [], "2026-08-02": []})
    assert day_of(own, date(2026, 10, 3)).spans == ["10:00-16:00"]
    assert day_of(own, date(2026, 8, 2)).spans == ["09:00-12:00", "13:00-18:00"]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(8, 3, "08:00"), at(8, 3, "09:00")),
        (at(8, 3, "12:30"), at(8, 3, "13:00")),
        (at(8, 1, "17:00"), at(8, 3, "09:00")),
        (at(9, 30, "19:00"), at(10, 8, "09:00")),
    ],
)
def test_it_knows_when_the_company_opens_again(now: datetime, expected: datetime) -> None:
    assert opens_at(policy(), now) == expected


def test_it_promises_no_day_to_a_company_that_does_not_open_again() -> None:
    assert opens_at(policy(opening_hours={"mon": []}, holidays=False), at(8, 3, "08:00")) is None


def test_it_takes_days_after_the_calendars_end_for_ordinary_ones() -> None:
    first_of_october = date(HOLIDAYS_KNOWN_UNTIL + 1, 10, 1)
    assert public_day(first_of_october) == (False, "")
    assert day_of(policy(), first_of_october).is_usual


def test_it_names_the_holiday_in_the_language_of_who_asks() -> None:
    with translation.override("en"):
        assert day_of(policy(), NATIONAL_DAY).name == "National Day"
        assert day_of(policy(), WORKED_SUNDAY).name == "worked in exchange for National Day"
    with translation.override("zh-hans"):
        assert day_of(policy(), NATIONAL_DAY).name == "国庆节"


@pytest.mark.parametrize(("language", "said"), [("zh-hans", "11月28日 星期六"), ("en", "Sat, Nov 28")])
def test_a_day_is_written_as_people_write_it(language: str, said: str) -> None:
    with translation.override(language):
        assert str(Day(date(2026, 11, 28), [])) == said
