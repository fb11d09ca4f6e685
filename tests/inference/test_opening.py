from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from inference.models import Intent
from inference.opening import hours_text
from tenants.models import Policy
from tests.inference.turns import a_mind, answered, company

WEEK = {day: ["09:00-12:00", "13:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")} | {
    "sat": ["10:00-16:00"]
}
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=SHANGHAI)


def test_it_says_nothing_where_the_tenant_says_nothing() -> None:
    assert hours_text(Policy(), at("2026-08-02 03:00")) == ""


def told(now: str, **policy: Any) -> list[str]:
    with translation.override("en"):
        return hours_text(Policy(opening_hours=WEEK, **policy), at(now)).splitlines()


def test_it_puts_the_week_into_words_with_equal_days_together() -> None:
    assert told("2026-08-03 10:00") == [
        "We are open right now.",
        "- Monday – Friday: 09:00-12:00, 13:00-18:00",
        "- Saturday: 10:00-16:00",
        "- Sunday: closed",
    ]


def test_it_tells_what_is_different_in_the_next_two_weeks() -> None:
    assert told("2026-09-29 10:00", holidays=True, closed_days=["2026-10-12"])[4:] == [
        "- October 1 – October 7 (National Day): closed",
        "- October 10 (worked in exchange for National Day): 09:00-12:00, 13:00-18:00",
        "- October 12: closed",
    ]


@pytest.mark.parametrize(
    ("now", "when"),
    [
        ("2026-08-03 08:00", "today 09:00"),
        ("2026-08-03 18:00", "tomorrow 09:00"),
        ("2026-08-01 17:00", "Monday 09:00"),
        ("2026-09-30 18:00", "October 8 09:00"),
    ],
)
def test_it_says_when_a_closed_company_opens_again(now: str, when: str) -> None:
    first = told(now, holidays=True)[0]
    assert first == f"We are closed right now. We are open again {when}."


async def test_it_tells_the_hours_when_asked_and_nothing_where_there_are_none() -> None:
    hours = a_mind(intent=Intent(name="hours", action=Intent.Action.OPENING_HOURS))
    told = await answered("When are you open?", hours, tenant=company(opening_hours=WEEK))
    assert told.answer and "Sunday: closed" in told.answer.text
    silent = await answered("When are you open?", hours, tenant=company())
    assert silent.answer is None
