"""The platform's own admin: everything about every tenant at a glance, and nothing done to one without being asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.models import Agent
from tenants import registry, sizes
from tenants.context import inside, outside
from tenants.models import Domain, Plan, SchemaState, Tenant
from tests.admin import administrator, revision
from tests.tenants.test_usage import put_on, use, use_tokens


@pytest.fixture
def platform(db: None) -> Client:
    return administrator(Tenant.objects.get(schema_name="public"))


@pytest.fixture(autouse=True)
def _sizes_unread(monkeypatch: Any) -> None:
    monkeypatch.setattr(sizes, "_sizes", sizes._Sizes())


def test_it_shows_plan_usage_and_size_of_every_tenant(platform: Client, acme: Tenant, globex: Tenant) -> None:
    put_on(acme, tokens=100, agents=20)
    use(acme, agents=4)
    use_tokens(acme, 90)
    page = platform.get("/admin/tenants/tenant/").content.decode()
    assert "of acme" in page and "90 %" in page
    assert sizes.by_schema()["acme"].bytes > 100_000
    detail = platform.get(f"/admin/tenants/tenant/{acme.pk}/change/").content.decode()
    assert "4 / 20" in detail and "90 / 100" in detail
    assert "4 / 20" not in platform.get(f"/admin/tenants/tenant/{globex.pk}/change/").content.decode()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_it_groups_digits_by_three(platform: Client, acme: Tenant, language: str) -> None:
    put_on(acme, tokens=1_000_000)
    page = platform.get(f"/admin/tenants/tenant/{acme.pk}/change/", HTTP_ACCEPT_LANGUAGE=language)
    assert "0 / 1,000,000" in page.content.decode()


def test_it_shows_the_operator_who_is_near_a_limit(platform: Client, acme: Tenant) -> None:
    assert "Nobody has used 80 %" in platform.get("/admin/").content.decode()
    put_on(acme, tokens=100)
    use_tokens(acme, 100)
    page = platform.get("/admin/").content.decode()
    assert "Nobody has used 80 %" not in page and "100 %" in page


def test_it_shows_the_operator_who_is_behind_with_migrations(
    platform: Client, acme: Tenant, globex: Tenant
) -> None:
    assert "tenant migrate" not in platform.get("/admin/").content.decode()
    failed = SchemaState.objects.filter(tenant=acme)
    failed.update(applied=["chat.0001_initial"], state="failed", error="DataError: <b>out of range</b>")
    page = platform.get("/admin/").content.decode()
    behind = page.split("Behind with their migrations")[1].split("</section>")[0]
    assert (
        "1 behind" in page
        and "tenant migrate" in behind
        and acme.name in behind
        and globex.name not in behind
    )
    assert "DataError: &lt;b&gt;out of range" in behind and "failed" in behind


def test_it_reads_all_sizes_at_once_and_not_again_within_a_minute(
    platform: Client, acme: Tenant, monkeypatch: Any
) -> None:
    with CaptureQueriesContext(connection) as captured:
        sizes.by_schema()
        sizes.by_schema()
    assert len([one for one in captured if "pg_total_relation_size" in one["sql"]]) == 1
    assert {"acme", "globex"} <= set(sizes.by_schema())
    monkeypatch.setattr(sizes, "FRESH", -1.0)
    with CaptureQueriesContext(connection) as captured:
        sizes.by_schema()
    assert len([one for one in captured if "pg_total_relation_size" in one["sql"]]) == 1


def test_it_asks_no_more_for_more_tenants(platform: Client, acme: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(registry, "FRESH", 3600.0)  # who the tenants are is read again now and then, not here

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert platform.get("/admin/tenants/tenant/").status_code == 200
        return len([one for one in captured if not one["sql"].startswith("SET ")])

    queries()
    before = queries()
    with outside():
        for number in range(3):
            more = Tenant(schema_name=f"more_{number}", name="More")
            more.auto_create_schema = False
            more.save()
    assert queries() == before


def test_it_asks_before_it_suspends(platform: Client, acme: Tenant, globex: Tenant) -> None:
    chosen = {"action": "suspend", "_selected_action": [acme.pk]}
    page = platform.post("/admin/tenants/tenant/", chosen)
    words = page.content.decode()
    assert "Open chats are closed" in words and "acme.localhost" in words and "globex.localhost" not in words
    assert Client(HTTP_HOST="acme.localhost").get("/console/login/").status_code == 200
    platform.post("/admin/tenants/tenant/", chosen | {"confirmed": "resume"})
    assert Tenant.objects.get(pk=acme.pk).is_active


def test_a_tenants_own_page_leads_to_the_question(platform: Client, acme: Tenant, globex: Tenant) -> None:
    def verbs(tenant: Tenant) -> str:
        page = platform.get(f"/admin/tenants/tenant/{tenant.pk}/change/").content.decode()
        return page.split('class="kefu-bar"')[1].split("</form>")[0]

    assert 'value="suspend"' in verbs(acme) and f'value="{acme.pk}"' in verbs(acme)
    platform.post(
        "/admin/tenants/tenant/",
        {"action": "suspend", "_selected_action": [acme.pk], "confirmed": "suspend"},
    )
    assert 'value="resume"' in verbs(acme) and 'value="suspend"' in verbs(globex)
    Tenant.objects.filter(pk=acme.pk).update(status=Tenant.Status.ERASING)
    page = platform.get(f"/admin/tenants/tenant/{acme.pk}/change/").content.decode()
    assert 'class="kefu-bar"' not in page


def test_it_tells_everybody_when_a_plan_changes(
    platform: Client, acme: Tenant, globex: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    plan = put_on(acme, tokens=1)
    before = revision(acme), revision(globex)
    typed = {"name": "Small", "agents": 3, "conversations": 0, "storage_mb": 0, "tokens": 9}
    with django_capture_on_commit_callbacks(execute=True):
        assert platform.post(f"/admin/tenants/plan/{plan.pk}/change/", typed).status_code == 302
    assert Plan.objects.get(pk=plan.pk).tokens == 9
    assert revision(acme) > before[0] and revision(globex) == before[1]


def test_it_deletes_no_plan_that_is_needed(platform: Client, acme: Tenant) -> None:
    with outside():
        spare = Plan.objects.create(name="Spare")
    plan = put_on(acme)
    for kept in (Plan.FIRST, plan.pk):
        assert platform.post(f"/admin/tenants/plan/{kept}/delete/", {"post": "yes"}).status_code == 403
    platform.post(f"/admin/tenants/plan/{spare.pk}/delete/", {"post": "yes"})
    assert set(Plan.objects.values_list("pk", flat=True)) == {Plan.FIRST, plan.pk}


def test_it_keeps_plans_from_tenants(acme: Tenant) -> None:
    client = administrator(acme)
    for page in ("/admin/tenants/plan/", f"/admin/tenants/plan/{Plan.FIRST}/change/"):
        assert client.get(page).status_code == 404


# --- Logins -----------------------------------------------------------------------------------------------------------


def test_it_adds_a_login_to_the_platform_alone(platform: Client, acme: Tenant) -> None:
    page = platform.get("/admin/auth/user/add/").content.decode()
    assert all(f'name="{field}"' in page for field in ("username", "password1", "password2"))
    typed = {"username": "olga", "password1": "long-enough-7", "password2": "long-enough-7"}
    assert platform.post("/admin/auth/user/add/", typed).status_code == 302
    with outside():
        assert User.objects.get(username="olga").check_password("long-enough-7")
    with inside(acme):
        assert not User.objects.filter(username="olga").exists()


def test_it_refuses_a_short_password_in_chinese(platform: Client) -> None:
    typed = {"username": "olga", "password1": "xq7", "password2": "xq7"}
    page = platform.post("/admin/auth/user/add/", typed, HTTP_ACCEPT_LANGUAGE="zh-CN").content.decode()
    assert "密码太短，至少需要 8 个字符。" in page and "too short" not in page
    with outside():
        assert not User.objects.filter(username="olga").exists()


def test_it_deletes_a_login_of_the_platform_and_nobody_elses(platform: Client, acme: Tenant) -> None:
    """There are no agents in public, and Django would look for one."""
    with inside(acme):
        ann = User.objects.create_user("same-name")
        Agent.objects.create(user=ann, name="Ann")
    with outside():
        one, two = (User.objects.create_user(name, is_staff=True) for name in ("same-name", "another"))
    page = f"/admin/auth/user/{one.pk}/delete/"
    assert "same-name" in platform.get(page).content.decode()
    assert platform.post(page, {"post": "yes"}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [two.pk], "post": "yes"}
    assert platform.post("/admin/auth/user/", chosen).status_code == 302
    with outside():
        assert not User.objects.filter(username__in=("same-name", "another")).exists()
    with inside(acme):
        assert Agent.objects.get(user__username="same-name").name == "Ann"
        ann.delete()
        assert not Agent.objects.filter(name="Ann").exists()


# --- Hosts ------------------------------------------------------------------------------------------------------------


def hosts(tenant: Tenant, *rows: tuple[str, bool]) -> dict[str, Any]:
    """The tenant's form with its first host and more of them, each main or not."""
    first = Domain.objects.get(tenant=tenant, domain=f"{tenant.schema_name}.localhost")
    typed: dict[str, Any] = {
        "name": tenant.name,
        "locale": tenant.locale,
        "time_zone": tenant.time_zone,
        "plan": tenant.plan_id,
        "domains-TOTAL_FORMS": len(rows),
        "domains-INITIAL_FORMS": 1,
        "domains-0-id": first.pk,
    }
    for number, (host, is_primary) in enumerate(rows):
        typed |= {f"domains-{number}-domain": host, f"domains-{number}-tenant": tenant.pk}
        typed |= {f"domains-{number}-is_primary": "on"} if is_primary else {}
    return typed


def mains(tenant: Tenant) -> list[str]:
    return list(Domain.objects.filter(tenant=tenant, is_primary=True).values_list("domain", flat=True))


def test_it_finds_a_tenant_by_each_of_its_hosts(
    platform: Client, acme: Tenant, globex: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    typed = hosts(acme, ("acme.localhost", False), ("WWW.Help.example", True))
    with django_capture_on_commit_callbacks(execute=True):
        response = platform.post(f"/admin/tenants/tenant/{acme.pk}/change/", typed)
    assert response.status_code == 302, response.context["errors"]
    assert mains(acme) == ["help.example"]
    assert mains(globex) == ["globex.localhost"]
    for host in ("help.example", "www.help.example", "help.example:8443", "HELP.example", "acme.localhost"):
        page = Client(HTTP_HOST=host).get("/console/login/")
        assert (page.status_code, page.wsgi_request.tenant.pk) == (200, acme.pk), host


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("acme.localhost", False), ("b.example", False)], "Exactly one host is the main one"),
        ([("acme.localhost", True), ("b.example", True)], "Exactly one host is the main one"),
        ([("acme.localhost", True), ("b.example:8000", False)], "without a port"),
        ([("acme.localhost", True), ("globex.localhost", False)], "This host belongs to another tenant"),
        ([("acme.localhost", True), ("www.Globex.localhost", False)], "This host belongs to another tenant"),
    ],
)
def test_it_refuses_hosts_that_would_not_work(
    platform: Client, acme: Tenant, globex: Tenant, rows: list[tuple[str, bool]], why: str
) -> None:
    response = platform.post(f"/admin/tenants/tenant/{acme.pk}/change/", hosts(acme, *rows))
    assert response.status_code == 200 and why in response.content.decode()
    assert mains(acme) == ["acme.localhost"] and Domain.objects.filter(tenant=acme).count() == 1


def test_the_first_plan_is_shown_in_the_operators_words_until_it_is_renamed(
    platform: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.models.gettext", {"Unlimited": "不限量"}.__getitem__)
    assert "不限量" in platform.get("/admin/tenants/plan/").content.decode()
    Plan.objects.filter(pk=Plan.FIRST).update(name="Golden")
    assert str(Plan.objects.get(pk=Plan.FIRST)) == "Golden"
