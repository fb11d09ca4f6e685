"""`manage.py tenant`, as the operator runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from tenants import registry, sizes
from tenants.context import inside, outside
from tenants.models import Domain, Plan, Tenant
from tenants.verbs import VERBS
from tenants.verbs.screen import operators_language
from tests.tenants.conftest import manage, run, schemas

NEW = (
    "create",
    "initech",
    "--name",
    "Initech",
    "--host",
    "initech.localhost",
    "--host",
    "www.initech.example",
)


def test_it_adds_a_tenant_that_can_be_logged_in_to(room_for_initech: None) -> None:
    done = manage(*NEW, "--language", "en", "--json")
    assert done.code == 0, done.err
    told = done.json
    assert {name: told[name] for name in ("schema", "name", "hosts", "admin", "dry_run")} == {
        "schema": "initech",
        "name": "Initech",
        "hosts": ["initech.localhost", "initech.example"],
        "admin": "admin",
        "dry_run": False,
    }
    with outside():
        initech = Tenant.objects.get(schema_name="initech")
        assert initech.locale == "en" and not User.objects.filter(username="admin").exists()
    with inside(initech):
        assert User.objects.get(username="admin").check_password(told["password"])
    registry.forget()
    assert Client(HTTP_HOST="initech.example").get("/console/login/").status_code == 200


def test_it_takes_a_password_that_is_never_shown(room_for_initech: None, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("tps-report-77\n")
    done = manage(*NEW, "--admin", "bill", "--password-file", str(file))
    assert done.code == 0 and "tps-report-77" not in done.out + done.err
    with inside(Tenant.objects.get(schema_name="initech")):
        assert User.objects.get().check_password("tps-report-77")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "a','public", "--host", "a.example"), "small letters"),
        (("create", "_template", "--host", "a.example"), "small letters"),
        (("create", "public", "--host", "a.example"), "reserved"),
        (("create", "acme", "--host", "a.example"), "acme already"),
        (("create", "initech", "--host", "acme.localhost"), "acme.localhost"),
        (("create", "initech", "--host", "https://a.example"), "without https"),
        (("create", "initech", "--host", "a.example:80"), "without a port"),
        (("create", "initech", "--host", "a.example", "--time-zone", "Mars/Olympus"), "Mars/Olympus"),
        (("create", "initech", "--host", "a.example", "--password-file", "/no/such/file"), "/no/such/file"),
        (("suspend", "hooli", "acme", "--yes"), "hooli"),
        (("resume", "public"), "public"),
        (("list", "hooli"), "hooli"),
        (("migrate", "--tenant", "hooli"), "hooli"),
        (("suspend", "acme"), "--yes"),
    ],
)
def test_it_refuses_in_one_sentence(committed: None, words: tuple[str, ...], said: str) -> None:
    before = schemas()
    done = manage(*words)
    assert done.code == 1 and said in done.err and "Traceback" not in done.err, done.err
    as_json = manage(*words, "--json")
    assert as_json.code == 1 and said in as_json.json["error"]
    with outside():
        assert schemas() == before and Tenant.objects.get(schema_name="acme").is_active


def test_it_tells_wrong_usage_apart(committed: None) -> None:
    assert manage("create", "initech").code == 2
    assert manage("fly").code == 2


@pytest.mark.parametrize(
    ("locale", "language"),
    [("zh_CN.UTF-8", "zh-hans"), ("en_US.UTF-8", "en"), ("C.UTF-8", "en"), ("", "en"), ("de_DE.UTF-8", "en")],
)
def test_it_speaks_the_operators_language(
    monkeypatch: pytest.MonkeyPatch, locale: str, language: str
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    for name in ("LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert operators_language() == language


def test_it_only_says_what_it_would_add(committed: None) -> None:
    done = manage(*NEW, "--dry-run", "--json")
    assert done.code == 0 and done.json["dry_run"] and "password" not in done.json
    assert "initech" not in schemas()
    with outside():
        assert not Domain.objects.filter(domain="initech.localhost").exists()


def test_it_lists_everybody_at_a_glance(initech: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_sizes", sizes._Sizes())  # whatever was read before there was an Initech
    rows = {row["schema"]: row for row in manage("list", "--json").json}
    assert {*rows} == {"acme", "globex", "initech"}
    mine = rows["initech"]
    assert (
        mine["name"] == "Initech" and mine["status"] == "active" and mine["domains"] == ["initech.localhost"]
    )
    assert mine["bytes"] > 100_000 and mine["rows"] >= 0
    assert mine["migrations"]["state"] == "ready" and mine["migrations"]["latest"]
    monkeypatch.delenv("COLUMNS", raising=False)  # which says how wide a terminal is
    table = manage("list").out
    assert "initech.localhost" in table and "\x1b[" not in table
    assert [row["schema"] for row in manage("list", "globex", "--json").json] == ["globex"]
    assert manage("list", "--status", "suspended", "--json").json == []


def test_it_says_that_nobody_is_to_be_listed(initech: Tenant) -> None:
    done = manage("list", "--status", "suspended")
    assert done.code == 0 and "no such tenant" in done.out and "initech" not in done.out
    assert manage("list", "--status", "suspended", "--json").json == []


def test_it_adds_a_tenant_with_the_plan_that_is_named(room_for_initech: None) -> None:
    assert "only: Unlimited" in (refused := manage(*NEW, "--plan", "Golden")).err and refused.code == 1
    with outside():
        assert not Tenant.objects.filter(schema_name="initech").exists()
        small = Plan.objects.create(name="Small", agents=2)
    try:
        assert manage(*NEW, "--plan", "Small", "--json").json["plan"] == "Small"
        with outside():
            assert set(Plan.objects.filter(tenants__schema_name="initech")) == {small}
    finally:
        with outside():
            Tenant.objects.filter(schema_name="initech").update(plan=Plan.FIRST)
            small.delete()


def test_it_suspends_and_resumes(initech: Tenant) -> None:
    client = Client(HTTP_HOST="initech.localhost")
    would = manage("suspend", "initech", "--dry-run", "--json")
    assert would.json == {
        "dry_run": True,
        "tenants": [{"schema": "initech", "status": "suspended", "changed": True}],
    }
    for words, status in ((("suspend", "initech", "--yes"), 503), (("resume", "initech"), 200)):
        done = manage(*words, "--json")
        assert done.code == 0 and done.json["tenants"][0]["changed"]
        assert not manage(*words, "--json").json["tenants"][0]["changed"]
        registry.forget()
        assert client.get("/console/login/").status_code == status
        assert Client(HTTP_HOST="globex.localhost").get("/console/login/").status_code == 200


def test_it_says_when_the_database_is_away(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(told: object, screen: object) -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(VERBS["list"], "run", away)
    done = manage("list")
    assert done.code == 1 and "connection refused" in done.err and "Traceback" not in done.err


@pytest.mark.slow
def test_it_works_as_a_process_too(committed: None) -> None:
    done = run("list", "--json")
    assert done.code == 0 and {row["schema"] for row in done.json} == {"acme", "globex"}, done.err
    wrong = run("suspend", "hooli", "--yes")
    assert wrong.code == 1 and "hooli" in wrong.err and not wrong.out
