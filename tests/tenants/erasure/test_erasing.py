"""Initech comes, and goes for good; Acme and Globex stay as they are."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.utils import translation

from chat.models import CannedReply, Visitor
from inference import dialogue
from kefu.errors import WrongState
from tenants import actions, registry
from tenants.context import inside, outside
from tenants.counting import take_now
from tenants.erasure import erasing, record, traces
from tenants.erasure.scan import log_entries
from tenants.models import Domain, Tenant
from tenants.redis import sync_redis
from tenants.tasks import NoTenant

pytestmark = pytest.mark.slow
# What is written here, and by no other test.
CONVERSATION = "e0000000-0000-4000-8000-000000000000"
COUNTED = "erasing"
QUEUES = ("work", "effects")  # which no worker reads that stays for the whole run


def message(schema: str, task: str = "chat.effects.perform") -> bytes:
    body = base64.b64encode(json.dumps([[schema, "webhook", "1"], {}, {}]).encode()).decode()
    return json.dumps({"body": body, "headers": {"task": task}, "properties": {}}).encode()


def planted(schema: str) -> list[tuple[str, bytes]]:
    """Tasks as `traces` finds them."""
    return [*((queue, message(schema)) for queue in QUEUES), (traces.UNACKED, f"tag-{schema}".encode())]


def hold(tag: str, schema: str) -> None:
    """As a worker does that has taken a task and not finished it."""
    sync_redis().hset("unacked", tag, json.dumps([json.loads(message(schema)), "", "work"]))
    taken_at = time.time()  # long ago, and a worker that runs would take it up again
    sync_redis().zadd("unacked_index", {tag: taken_at})


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def initech(committed: None) -> Iterator[Tenant]:
    """With something of it everywhere, and the same of Acme's beside it."""
    tenant = actions.add("initech", "Initech", ["initech.example"])
    for one in (tenant, Tenant.objects.get(schema_name="acme")):
        leave_traces(one)
    yield tenant
    for schema in ("initech", "acme"):
        traces.remove_keys(schema)
        traces.remove_tasks(schema)
    with inside(Tenant.objects.get(schema_name="acme")):
        default_storage.delete("documents/a.txt")
    with outside(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS initech CASCADE")
        Tenant.objects.filter(schema_name="initech").delete()
        LogEntry.objects.all().delete()
    shutil.rmtree(Path(settings.MEDIA_ROOT, "initech"), ignore_errors=True)
    record.forget("initech")
    registry.forget()


def leave_traces(tenant: Tenant) -> None:
    schema = tenant.schema_name
    with inside(tenant):
        Visitor.objects.create(name="Vera")
        default_storage.save("documents/a.txt", ContentFile(b"a"))
    sync_redis().set(dialogue._key(schema, CONVERSATION), b"")
    take_now(schema, {COUNTED: 1000}, 3600)
    for queue in QUEUES:
        sync_redis().lpush(queue, message(schema))
    hold(f"tag-{schema}", schema)
    with outside():
        login, _is_new = User.objects.get_or_create(username="operator")
        LogEntry.objects.create(
            user=login,
            content_type=ContentType.objects.get_for_model(Tenant),
            object_id=str(tenant.pk),
            object_repr=tenant.name,
            action_flag=2,
        )


def of_acme() -> dict[str, Any]:
    """What these tests wrote: keys and tasks of others may go by themselves."""
    mine = (CONVERSATION, f":{COUNTED}:")
    keys = {
        key for key in traces.all_keys() if traces.belongs(key, "acme") and any(part in key for part in mine)
    }
    tasks = {(task.key, task.place) for task in traces.tasks() if "acme" in task.names}
    tenant = Tenant.objects.get(schema_name="acme")
    with inside(tenant):
        files = default_storage.listdir("documents")
        visitors = set(Visitor.objects.values_list("pk", flat=True))
    log = log_entries(tenant.pk).count()
    return {
        "keys": keys,
        "tasks": tasks & set(planted("acme")),
        "files": files,
        "visitors": visitors,
        "revision": tenant.revision,
        "log": log,
    }


def test_it_leaves_nothing_of_a_tenant_and_everything_of_the_others(initech: Tenant) -> None:
    before = of_acme()
    assert len(before["tasks"]) == 3 and len(before["keys"]) == 2
    result = erasing.erase("initech", quiet=0)
    assert result.found == [] and result.mentions == []
    assert result.looked_at["tables"] > 60 and result.looked_at["tasks"] >= 3 and result.looked_at["files"]
    assert of_acme() == before
    assert not Domain.objects.filter(domain="initech.example").exists()
    assert not Path(settings.MEDIA_ROOT, "initech").exists() and not record.path_of("initech").exists()
    assert registry.tenant_of_host("initech.example") is None


def test_it_says_beforehand_what_there_is_and_removes_nothing(initech: Tenant) -> None:
    result = erasing.search("initech")
    found = "\n".join(result.found)
    assert result.mentions == []  # of itself
    for what in (
        "schema initech",
        "tenant initech",
        "files in",
        "kefu:{initech}:count",
        ":dialogue",
        "1 entries",
    ):
        assert what in found
    assert found.count("task chat.effects.perform") == 3 and "acme" not in found
    with inside(initech):
        assert Visitor.objects.count() == 1
    assert registry.tenant_of_host("initech.example")


@pytest.mark.parametrize("step", [step.__name__ for step in erasing.STEPS])
def test_it_goes_on_where_it_stopped_and_lets_nothing_come_back(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stop(_of: record.Record) -> None:
        raise KeyboardInterrupt

    steps = [stop if one.__name__ == step else one for one in erasing.STEPS]
    with monkeypatch.context() as patched:
        patched.setattr(erasing, "STEPS", steps)
        with pytest.raises(KeyboardInterrupt):
            erasing.erase("initech", quiet=0)
    with pytest.raises(WrongState):
        actions.resume(initech)
    assert Tenant.objects.get(pk=initech.pk).status == Tenant.Status.ERASING
    assert registry.tenant_of_host("initech.example").is_active is False
    assert erasing.erase("initech", quiet=0).found == []


def test_it_drops_tasks_that_come_late(initech: Tenant) -> None:
    from chat.effects import perform

    actions.begin_erasing(initech)
    assert perform("initech", "webhook", "1") is None
    erasing.erase("initech", quiet=0)
    with pytest.raises(NoTenant):
        perform("initech", "webhook", "1")


def a_schema(of: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA initech")


def a_file(of: Tenant) -> None:
    path = Path(settings.MEDIA_ROOT, "initech", "late.txt")
    path.parent.mkdir()
    path.write_text("late")


def a_staged_file(of: Tenant) -> None:
    path = Path(settings.MEDIA_ROOT, ".arriving", "initech", "files")
    path.mkdir(parents=True)


def a_key(of: Tenant) -> None:
    sync_redis().set("asgi:group:initech.conv.7", b"")


def a_task(of: Tenant) -> None:
    sync_redis().lpush("effects", message("initech"))


def a_held_task(of: Tenant) -> None:
    hold("late", "initech")


def a_public_row(of: Tenant) -> None:
    User.objects.create(username="somebody", email="somebody@initech.example")


def a_log_entry(of: Tenant) -> None:
    about = {"content_type": ContentType.objects.get_for_model(Tenant), "object_id": str(of.pk)}
    user = User.objects.get(username="operator")
    LogEntry.objects.create(user=user, object_repr="?", action_flag=2, **about)


def a_row_of_a_neighbour(of: Tenant) -> None:
    """As if it had been written into the wrong schema."""
    visitor = json.loads(record.path_of("initech").read_text())["ids"][0]
    with inside(Tenant.objects.get(schema_name="globex")):
        Visitor.objects.create(pk=visitor, name="?")


@pytest.fixture
def cleared() -> Iterator[None]:
    yield
    for schema in ("acme", "globex"):
        with inside(Tenant.objects.get(schema_name=schema)):
            Visitor.objects.filter(name="?").delete()
            CannedReply.objects.filter(shortcut="initech").delete()
    with outside(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE username = 'somebody'")
    for path in (Path(settings.MEDIA_ROOT, "initech"), Path(settings.MEDIA_ROOT, ".arriving", "initech")):
        shutil.rmtree(path, ignore_errors=True)


PLANTED: dict[Callable[[Tenant], None], str] = {
    a_schema: "schema initech",
    a_file: "files in",
    a_staged_file: ".arriving/initech",
    a_key: "key asgi:group:initech.conv.7",
    a_task: "task chat.effects.perform in effects",
    a_held_task: "task chat.effects.perform in unacked",
    a_public_row: "public.auth_user: 1 rows with its name",
    a_log_entry: "1 entries",
    a_row_of_a_neighbour: "globex.chat_visitor: 1 rows with its ids",
}


@pytest.mark.parametrize("plant", PLANTED, ids=[plant.__name__ for plant in PLANTED])
def test_it_finds_what_was_not_removed(
    initech: Tenant,
    cleared: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    plant: Callable[[Tenant], None],
) -> None:
    """Somebody writes it after everything was removed, and before the search."""
    with inside(initech):
        Visitor.objects.create(name="Vlad")  # of two, one is in the wrong schema: the other is no copy
        Visitor.objects.create(name="Vito")
    monkeypatch.setattr(erasing, "STEPS", (*erasing.STEPS, lambda of: plant(initech)))
    monkeypatch.setattr(erasing, "QUIET", 0)
    with pytest.raises(SystemExit) as ended:
        call_command("tenant", "erase", "initech", "--yes", "initech")
    assert ended.value.code == 1
    assert PLANTED[plant] in capsys.readouterr().out
    assert record.path_of("initech").exists()  # what is looked for is still known to the next run


def test_it_leaves_what_neighbours_say_about_it_to_them(initech: Tenant, cleared: None) -> None:
    with inside(Tenant.objects.get(schema_name="globex")):
        CannedReply.objects.create(shortcut="initech", title="Initech", text="Ask initech, not us.")
    result = erasing.erase("initech", quiet=0)
    assert result.found == [] and result.mentions == ["globex.chat_cannedreply: 1 rows with its name"]
    with inside(Tenant.objects.get(schema_name="globex")):
        assert CannedReply.objects.filter(shortcut="initech").exists()


def test_it_removes_nothing_of_a_name_that_no_tenant_has(committed: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA somebody_elses")
    try:
        assert erasing.erase("somebody_elses", quiet=0).found == ["schema somebody_elses"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regnamespace('somebody_elses') IS NOT NULL")
            assert cursor.fetchone() == (True,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA somebody_elses")


@pytest.mark.parametrize("name", ["public", "pg_catalog", "information_schema", "", "a'; --", "../files"])
def test_it_refuses_what_is_no_tenant(committed: None, name: str) -> None:
    with pytest.raises(WrongState):
        erasing.erase(name, quiet=0)
    assert Tenant.objects.filter(schema_name="public", status="active").exists()


@pytest.mark.parametrize("typed", [[], ["--yes", "globex"], ["--yes", ""], ["--yes", "Initech"]])
def test_it_wants_the_name_typed(initech: Tenant, typed: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("tenant", "erase", "initech", *typed)
    assert ended.value.code == 1
    assert Tenant.objects.get(pk=initech.pk).status == Tenant.Status.ACTIVE
