"""What a visitor is told who asks for a person while the company is closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from chat.sessions import session_answer
from tenants.hours import now_at
from tenants.models import Tenant
from tests.chat.desk import agent, asks, said

KEPT = "Nobody is there right now. Your message is kept and will be answered."


@pytest.fixture
def closed(quiet: Tenant) -> Tenant:
    """Acme, closed today and tomorrow."""
    today = now_at(quiet).date()
    quiet.policy.closed_days = [(today + timedelta(days=ahead)).isoformat() for ahead in range(2)]
    return quiet


def test_it_says_when_the_company_opens_again(closed: Tenant) -> None:
    assert said(asks(closed))[-1].startswith(f"{KEPT} We are open again ")


def test_it_says_so_in_the_visitors_language(closed: Tenant) -> None:
    with translation.override("en"):
        text = said(asks(closed, "zh-hans"))[-1]
    assert KEPT not in text


def test_it_promises_no_time_while_the_company_is_open(quiet: Tenant) -> None:
    assert said(asks(quiet))[-1] == KEPT


def test_it_prefers_the_companys_own_words(closed: Tenant) -> None:
    closed.policy.offline_text = "现在没有人在，明天再见。"
    assert said(asks(closed, "zh-hans"))[-1] == "现在没有人在，明天再见。"
    assert said(asks(closed, "en"))[-1].startswith(KEPT)


def test_it_calls_whoever_is_there_although_the_company_is_closed(closed: Tenant) -> None:
    agent("Ann")
    assert said(asks(closed))[-1] == "A person will be with you shortly. You can go on writing."


def test_it_tells_the_widget_when_the_company_opens_again(closed: Tenant) -> None:
    with translation.override("en"):
        policy = session_answer(closed, "", "en", {})["policy"]
        assert policy["offline_text"].startswith("We are open again ") and not policy["agents_online"]
        agent("Ann")
        assert session_answer(closed, "", "en", {})["policy"]["agents_online"]
        closed.policy.closed_days = []
        assert session_answer(closed, "", "en", {})["policy"]["offline_text"] == ""
