"""A new version's migration reaches every tenant, whatever happens on the way (F34)."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from chat.models import Visitor
from tenants import actions, fleet, locks, migrating, registry, template
from tenants.context import inside, outside
from tenants.models import SchemaState, Tenant
from tenants.names import PUBLIC, TEMPLATE
from tenants.tasks import NoTenant, tenant_task
from tests.extra.undo import undo
from tests.product import wait_until
from tests.tenants.conftest import EXTRA, Done, command, manage, remove, run, surroundings

pytestmark = pytest.mark.slow
NEW = "sessions.0002_note"
SEED = random.randrange(10_000)
MANY = 12
KILLS = 5 if os.environ.get("KEFU_FAULTS") == "heavy" else 1  # at moments drawn by chance


@pytest.fixture(autouse=True)
def as_it_was(committed: None) -> Iterator[None]:
    """The schemas lose what these tests migrate."""
    yield
    with outside():
        undo([*migrated(), PUBLIC])
    fleet.migrate()


@pytest.fixture
def new_version(settings: Any) -> Iterator[None]:
    """This process runs code with one migration more."""
    settings.MIGRATION_MODULES = {"sessions": "tests.extra.migrations"}
    forget_migrations()
    yield
    del settings.MIGRATION_MODULES
    forget_migrations()


def forget_migrations() -> None:
    for known in (migrating.leaves, migrating._all, migrating._drawn):
        known.cache_clear()


@pytest.fixture(scope="module")
def many(django_db_setup: None, django_db_blocker: object) -> Iterator[list[str]]:
    names = [f"shop{number:02}" for number in range(MANY)]
    with django_db_blocker.unblock():
        for name in names:
            actions.add(name, name, [f"{name}.localhost"])
        yield names
        for name in names:
            remove(name)


def everybody() -> list[str]:
    with outside():
        return [TEMPLATE, *Tenant.objects.exclude(schema_name="public").values_list("schema_name", flat=True)]


def migrated() -> set[str]:
    return {schema for schema, applied in migrating.recorded(everybody()).items() if NEW in applied}


def elsewhere(work: Callable[[], Done]) -> Done:
    """On another connection."""

    def do() -> Done:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(do).result()


def state(schema: str) -> SchemaState:
    return SchemaState.objects.get(tenant__schema_name=schema)


# --- One that fails stops nobody --------------------------------------------------------------------------------------


def test_it_migrates_everybody_suspended_ones_too(initech: Tenant, new_version: None) -> None:
    actions.suspend(initech)
    done = manage("migrate", "--json")
    assert done.code == 0, done.err
    assert {*done.json["migrated"]} == {*everybody(), PUBLIC} and done.json["failed"] == []
    assert migrated() == {*everybody()}
    assert state("initech").state == "ready" and state("initech").latest == NEW
    with inside(initech), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sessions_extranote, django_session WHERE extra = ''")
    again = manage("migrate")
    assert again.code == 0 and "nothing to do" in again.out


def test_it_names_the_one_that_fails_and_serves_the_others(
    initech: Tenant, new_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRA_FAILS", "acme")
    done = manage("migrate", "--json")
    assert done.code == 1
    assert [(one["schema"], "cannot be migrated" in one["error"]) for one in done.json["failed"]] == [
        ("acme", True)
    ]
    assert migrated() == {*everybody()} - {"acme"}
    assert state("acme").state == "failed" and "RuntimeError" in state("acme").error
    shown = {one["schema"]: one["migrations"]["state"] for one in manage("list", "--json").json}
    assert shown == {"acme": "failed", "globex": "ready", "initech": "ready"}
    monkeypatch.delenv("EXTRA_FAILS")
    assert manage("migrate", "--json").json["migrated"] == ["acme"]
    assert state("acme").error == "" and state("acme").latest == NEW


def test_it_touches_nobody_when_the_template_fails(
    new_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRA_FAILS", TEMPLATE)
    done = manage("migrate", "--json")
    assert done.code == 1 and "cannot be migrated" in done.json["error"]
    assert TEMPLATE in done.json["error"] and migrated() == set()


def test_it_goes_on_when_a_process_of_its_own_dies(many: list[str], new_version: None) -> None:
    done = run("migrate", "--json", "--jobs", "2", **EXTRA, EXTRA_DIES="shop03,shop07")
    assert done.code == 1
    assert sorted(one["schema"] for one in done.json["failed"]) == ["shop03", "shop07"]
    assert migrated() == {*everybody()} - {"shop03", "shop07"}
    assert state("shop03").state == "failed" and "-9" in state("shop03").error
    assert sorted(manage("migrate", "--json").json["migrated"]) == ["shop03", "shop07"]


def test_it_migrates_only_who_was_named(initech: Tenant, new_version: None) -> None:
    done = manage("migrate", "--json", "--tenant", "initech")
    assert done.code == 0 and migrated() == {TEMPLATE, "initech"}


def test_it_says_which_schema_is_not_there(initech: Tenant) -> None:
    with outside(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA initech CASCADE")
    done = manage("migrate", "--json")
    assert [one["schema"] for one in done.json["failed"]] == ["initech"]
    assert "initech" in done.json["failed"][0]["error"] and state("acme").state == "ready"


# --- Killed, resumed, started twice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(KILLS))
def test_it_goes_on_where_it_was_killed(many: list[str], new_version: None, attempt: int) -> None:
    most = random.Random(SEED + attempt).randrange(1, MANY)
    process = subprocess.Popen(
        command("migrate", "--jobs", "2"),
        env=surroundings(**EXTRA),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: len(migrated()) >= most, 120)
    finally:
        process.kill()
        process.wait()
    half = migrated()
    done = manage("migrate", "--json")
    assert done.code == 0, (done.out, done.err, SEED)
    assert migrated() == {*everybody()}
    assert not {*done.json["migrated"]} & half
    assert {state(name).state for name in many} == {"ready"}
    for name in many:
        with inside(Tenant(schema_name=name)), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sessions_extranote")


def test_it_shows_nobody_as_migrating_when_nobody_migrates(initech: Tenant) -> None:
    """A kill leaves the row of the tenant that was under way."""
    SchemaState.objects.filter(tenant=initech).update(state="migrating", applied=["chat.0001_initial"])
    with outside():
        assert fleet.standings()[initech.pk].state == "behind"
        with locks.held(fleet.LOCK):
            assert fleet.standings()[initech.pk].state == "migrating"
    fleet.migrate()
    with outside():
        assert fleet.standings()[initech.pk].state == "ready"


def test_it_refuses_a_second_migration_or_waits() -> None:
    with outside(), locks.held(fleet.LOCK):
        done = elsewhere(lambda: manage("migrate"))
        assert done.code == 1 and "under way" in done.err
        waiting = subprocess.Popen(
            command("migrate", "--wait"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

        def waits() -> bool:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                return cursor.fetchone() == (1,)

        wait_until(waits)
    assert waiting.wait(60) == 0


# --- Nothing to do ----------------------------------------------------------------------------------------------------


def test_it_asks_once_for_all_schemas(many: list[str], django_assert_max_num_queries: object) -> None:
    with django_assert_max_num_queries(40):  # search paths included; not a query for each of the tenants
        assert fleet.migrate().outcomes == []


def test_it_only_says_what_it_would_do(initech: Tenant, new_version: None) -> None:
    done = manage("migrate", "--dry-run", "--json")
    assert done.code == 0 and done.json["dry_run"]
    assert done.json["lacking"] == {schema: [NEW] for schema in (PUBLIC, *everybody())}
    assert migrated() == set()


# --- Who is behind is not served --------------------------------------------------------------------------------------


@tenant_task()
def note_visitor(tenant: Tenant) -> int:
    return Visitor.objects.create(name=f"Vera of {tenant.schema_name}").pk


@pytest.fixture
def acme_behind(live_acme: Tenant) -> Iterator[Tenant]:
    state = SchemaState.objects.get(tenant=live_acme)
    SchemaState.objects.filter(pk=state.pk).update(applied=state.applied[:-1])
    registry.forget()
    yield live_acme
    state.save()
    registry.forget()


def test_it_serves_nobody_half_migrated(acme_behind: Tenant) -> None:
    answer = Client(HTTP_HOST="acme.localhost").get("/console/login/")
    assert answer.status_code == 503 and answer["Retry-After"]
    assert Client(HTTP_HOST="globex.localhost").get("/console/login/").status_code == 200
    served = {tenant.schema_name for tenant in registry.active_tenants()}
    assert "globex" in served and "acme" not in served


def test_it_keeps_the_tasks_of_who_is_behind(acme_behind: Tenant) -> None:
    from celery.exceptions import Retry

    with pytest.raises(Retry):
        note_visitor("acme")
    with inside(acme_behind):
        assert not Visitor.objects.filter(name="Vera of acme").exists()
    with pytest.raises(NoTenant):
        note_visitor("hooli")


def test_health_says_how_many_are_behind_and_names_nobody(acme_behind: Tenant) -> None:
    answer = Client(HTTP_HOST="localhost").get("/readyz")
    assert answer.status_code == 200 and answer.json()["tenants"] == {"behind": 1}
    assert "acme" not in answer.content.decode()


def test_health_is_not_well_while_the_platform_itself_is_behind(committed: None) -> None:
    rows = SchemaState.objects.filter(tenant__schema_name="public")
    applied = rows.get().applied
    rows.update(applied=applied[:3])
    registry.forget()
    try:
        client = Client(HTTP_HOST="localhost")
        answer = client.get("/readyz")
        assert answer.status_code == 503 and answer.json()["tables"] == "behind"
        assert client.get("/healthz").status_code == 200
        assert client.get("/admin/login/").status_code == 503
    finally:
        rows.update(applied=applied)
        registry.forget()


def test_it_serves_who_is_ahead(live_acme: Tenant) -> None:
    """Newer code has migrated already, and this process is still the old one."""
    state = SchemaState.objects.get(tenant=live_acme)
    SchemaState.objects.filter(pk=state.pk).update(applied=[*state.applied, "chat.0099_later"])
    registry.forget()
    try:
        assert Client(HTTP_HOST="acme.localhost").get("/console/login/").status_code == 200
    finally:
        state.save()
        registry.forget()


async def test_it_turns_sockets_away_until_then(acme_behind: Tenant) -> None:
    from channels.testing import ApplicationCommunicator

    from tenants.middleware import TenantScope

    async def served(scope: object, receive: object, send: object) -> None:
        raise AssertionError("behind, and served")

    scope = {"type": "websocket", "headers": [(b"host", b"acme.localhost")]}
    line = ApplicationCommunicator(TenantScope(served), scope)
    assert (await line.receive_output())["status"] == 503


def test_it_copies_no_template_that_is_behind(room_for_initech: None, new_version: None) -> None:
    """A web process of the new version adds a tenant before anybody has migrated."""
    assert not template.is_ready()
    done = manage("create", "initech", "--host", "initech.localhost", "--json")
    assert done.code == 0, done.err
    assert migrated() == {TEMPLATE, "initech"}
