"""A tenant edits its own policy and nobody else's; the platform adds and suspends tenants."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client

from tenants.admin_days import DaysField
from tenants.admin_fields import HoursField, OriginsField, PairsField, spans_of
from tenants.context import inside
from tenants.hours import is_open, now_at
from tenants.models import Domain, Policy, Tenant
from tests.admin import administrator, revision

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TYPED: dict[str, Any] = {
    "bot_name": "小安",
    "accent": "#112233",
    "greeting": "您好",
    "suggestions": "怎么退货？\n\n怎么开发票？\n",
    "opening_hours_mon": "9:00-12:00，13:00-18:00",
    "holidays": "on",
    "closed_days": "2027年2月5日 至 2027年2月7日\n2026/12/31",
    "open_days": "2026-10-03 10：00-16：00\n2026-10-04",
    "assignment": "least_busy",
    "agent_silence": "120",
    "tone": "",
    "use_model": "on",
    "dense_weight": "0.5",
    "passages": "4",
    "turn_deadline": "60",
    "answers_kept": "24",
    "ladder_first_token": "12.5",
    "ladder_wait": "8",
    "ladder_load": "0.9",
    "ladder_errors": "0.5",
    "ladder_stay": "20",
    "visitor_day_tokens": "5000",
    "day_tokens": "0",
    "day_cost": "12.50",
    "widget_origins": "https://Shop.example/",
    "max_text": "1000",
    "messages_per_minute": "20",
    "address_messages_per_minute": "1200",
    "tenant_messages_per_minute": "0",
    "sessions_per_hour": "600",
    "sockets_per_visitor": "20",
    "sockets_per_address": "1000",
    "sockets_per_tenant": "0",
    "frames_per_ten_seconds": "300",
    "uploads": "on",
    "upload_kinds": ["pictures", "archives"],
    "upload_mb": "5",
    "files_per_message": "3",
    "uploads_per_minute": "20",
    "address_uploads_per_minute": "300",
    "upload_mb_per_day": "0",
}


def policy_page(tenant: Tenant) -> str:
    return f"/admin/tenants/policy/{tenant.pk}/change/"


def test_it_leads_straight_to_the_tenants_own_policy(acme: Tenant) -> None:
    response = administrator(acme).get("/admin/tenants/policy/")
    assert (response.status_code, response["Location"]) == (302, policy_page(acme))


def test_it_saves_a_policy_as_people_type_it(acme: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    before = revision(acme)
    with django_capture_on_commit_callbacks(execute=True):
        response = administrator(acme).post(policy_page(acme), TYPED)
    assert response.status_code == 302, response.context["errors"]
    policy = Policy.objects.get(tenant=acme)
    assert policy.suggestions == ["怎么退货？", "怎么开发票？"]
    assert policy.opening_hours == {"mon": ["09:00-12:00", "13:00-18:00"]}
    assert policy.widget_origins == ["https://shop.example"]
    assert policy.closed_days == ["2026-12-31", "2027-02-05", "2027-02-06", "2027-02-07"]
    assert policy.open_days == {"2026-10-03": ["10:00-16:00"], "2026-10-04": []}
    assert (policy.assignment, policy.agent_silence) == ("least_busy", 120)
    assert (policy.ladder_first_token, policy.ladder_load, policy.ladder_stay) == (12.5, 0.9, 20)
    assert (policy.visitor_day_tokens, policy.day_cost) == (5000, Decimal("12.50"))
    assert (policy.upload_kinds, policy.upload_mb) == (["pictures", "archives"], 5)
    assert revision(acme) > before


def test_it_never_touches_the_policy_of_another_tenant(acme: Tenant, globex: Tenant) -> None:
    client = administrator(acme)
    assert client.get(policy_page(globex)).status_code == 302
    client.post(policy_page(globex), TYPED)
    client.post(policy_page(acme), TYPED | {"tenant": globex.pk, "bot_name": "小环"})
    assert Policy.objects.get(tenant=globex).bot_name not in {"小安", "小环"}
    assert client.get("/admin/tenants/policy/add/").status_code == 403
    assert client.post(f"/admin/tenants/policy/{acme.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("opening_hours_mon", "18:00-09:00"),
        ("opening_hours_mon", "09:00-12:00, 11:00-13:00"),
        ("opening_hours_mon", "nine to five"),
        ("closed_days", "next Monday"),
        ("closed_days", "2026-02-30"),
        ("closed_days", "2026-12-31 – 2026-12-01"),
        ("closed_days", "2026-10-03"),
        ("open_days", "2026-10-03 late"),
        ("assignment", "the best"),
        ("upload_kinds", ["pictures", "programs"]),
        ("upload_mb", "21"),
        ("files_per_message", "11"),
        ("agent_silence", "5"),
        ("agent_silence", "-1"),
        ("widget_origins", "https://shop.example/path"),
        ("widget_origins", "https://shop.example; script-src *"),
        ("widget_origins", "*"),
        ("accent", "red"),
        ("passages", "0"),
        ("dense_weight", "1.5"),
    ],
)
def test_it_refuses_what_would_not_work(acme: Tenant, field: str, typed: str) -> None:
    response = administrator(acme).post(policy_page(acme), TYPED | {field: typed})
    assert response.status_code == 200
    assert Policy.objects.get(tenant=acme).bot_name != "小安"


def test_it_writes_opening_hours_that_the_bot_understands() -> None:
    policy = Policy(opening_hours=HoursField().clean(["8:30 至 24:00", *[""] * 6]))
    assert is_open(policy, datetime(2026, 11, 23, 23, 59))  # a Monday  # noqa: DTZ001
    assert not is_open(policy, datetime(2026, 11, 24, 12))  # noqa: DTZ001


def test_it_shows_days_that_follow_each_other_as_one_line() -> None:
    days = ["2026-12-31", "2027-01-01", "2027-02-05"]
    shown = DaysField().prepare_value(days)
    assert shown.splitlines() == ["2026-12-31 – 2027-01-01", "2027-02-05"]
    assert DaysField().clean(shown) == days


def test_it_shows_what_the_hours_come_to_in_the_next_days(acme: Tenant) -> None:
    today = now_at(acme).date()
    Policy.objects.filter(tenant=acme).update(closed_days=[today.isoformat()])
    page = administrator(acme).get(policy_page(acme)).content.decode()
    shown = page.split('class="kefu-days"')[1].split("</ul>")[0]
    assert shown.count("kefu-unusual") == 1
    assert f'datetime="{today}"' in shown.split("<li")[1] and "closed" in shown.split("<li")[1]
    assert spans_of("") == []


def test_it_gives_back_what_was_typed_line_by_line() -> None:
    field = PairsField(required=False)
    pairs = {"运输中": "在路上：{a}\n请等", "已签收": "到了"}
    assert field.clean(field.prepare_value(pairs)) == pairs
    with pytest.raises(ValidationError):
        field.clean("no colon")
    with pytest.raises(ValidationError):
        OriginsField().clean("javascript://x")


# --- The platform -----------------------------------------------------------------------------------------------------


@pytest.fixture
def platform(db: None) -> Client:
    return administrator(Tenant.objects.get(schema_name="public"))


NEW = {
    "schema_name": "initech",
    "name": "Initech",
    "locale": "en",
    "time_zone": "Europe/Berlin",
    "plan": "1",
    "host": "initech.localhost",
    "username": "bill",
    "password": "tps-report-77",
}


def test_it_adds_a_tenant_that_its_administrator_can_log_in_to(platform: Client) -> None:
    response = platform.post("/admin/tenants/tenant/add/", NEW)
    assert response.status_code == 302, response.context["errors"]
    initech = Tenant.objects.get(schema_name="initech")
    assert initech.policy and Domain.objects.get(tenant=initech).domain == "initech.localhost"
    with inside(initech):
        assert User.objects.get().check_password("tps-report-77")
    assert not User.objects.filter(username="bill").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema_name": "Initech"},
        {"schema_name": "public"},
        {"schema_name": 'a";drop'},
        {"schema_name": "acme"},
        {"host": "acme.localhost"},
        {"host": "https://initech.example"},
        {"password": "short"},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_it_refuses_a_tenant_that_cannot_be(platform: Client, wrong: dict[str, str]) -> None:
    assert platform.post("/admin/tenants/tenant/add/", NEW | wrong).status_code == 200
    assert Tenant.objects.count() == 3


def test_it_suspends_and_resumes(platform: Client, acme: Tenant, globex: Tenant) -> None:
    for action, status in (("suspend", 503), ("resume", 200)):
        chosen = {"action": action, "_selected_action": [acme.pk]}
        platform.post("/admin/tenants/tenant/", chosen | {"confirmed": action})
        assert Client(HTTP_HOST="acme.localhost").get("/console/login/").status_code == status
        assert Client(HTTP_HOST="globex.localhost").get("/console/login/").status_code == 200


def test_it_neither_lists_nor_suspends_the_platform_itself(platform: Client) -> None:
    public = Tenant.objects.get(schema_name="public")
    chosen = {"action": "suspend", "_selected_action": [public.pk], "confirmed": "suspend"}
    platform.post("/admin/tenants/tenant/", chosen)
    assert Tenant.objects.get(schema_name="public").is_active
    assert platform.get(f"/admin/tenants/tenant/{public.pk}/change/").status_code == 302
