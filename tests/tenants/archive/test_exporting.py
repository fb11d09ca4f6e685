from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from chat.models import Effect, PendingTurn, Visitor
from inference.models import Provider
from kefu.errors import WrongState
from tenants import actions, registry
from tenants.archive import catalogue, exporting, files, importing, public, states
from tenants.archive.problems import Refused
from tenants.context import inside, outside
from tenants.encrypted import EncryptedTextField
from tenants.erasure import erasing
from tenants.models import Tenant
from tests.conftest import open_chat
from tests.tenants.archive.parts import take_apart

pytestmark = pytest.mark.slow
CANARY = "sk-canary-5d1f77"


@pytest.fixture
def initech(committed: None) -> Iterator[Tenant]:
    tenant = actions.add("initech", "Initech", ["initech.example"], policy={"bot_name": "Milton"})
    with inside(tenant):
        Provider.objects.create(name="Bob", base_url="http://x", model="x", api_key=CANARY)
        conversation = open_chat(tenant).conversation
        now, later = timezone.now(), timezone.now() + timedelta(hours=1)
        Effect.objects.create(kind="email", target="done", payload={}, done_at=now)
        Effect.objects.create(kind="email", target="open", payload={}, lease_until=later)
        PendingTurn.objects.create(
            conversation=conversation, through_seq=1, epoch=1, sent_at=now, lease_until=later
        )
        default_storage.save("documents/a.txt", ContentFile(b"a"))
    yield tenant
    for schema in ("initech", "hooli"):
        erasing.erase(schema, quiet=0)


def copy(path: Path, key: bytes | None = None) -> Tenant:
    with importing.arrival(path, key, "hooli", ["hooli.example"]) as arrival:
        return importing.bring_in(arrival)


def test_it_leaves_open_work_with_who_is_in_service(initech: Tenant, tmp_path: Path) -> None:
    """Or both would do it."""
    exporting.export(initech, tmp_path / "a.kefu")
    with inside(copy(tmp_path / "a.kefu")):
        assert [effect.target for effect in Effect.objects.all()] == ["done"]
        assert not PendingTurn.objects.exists()
    with inside(initech):
        assert Effect.objects.filter(target="open", lease_until__isnull=False).exists()


def test_it_takes_open_work_along_from_who_is_suspended(initech: Tenant, tmp_path: Path) -> None:
    actions.suspend(initech)
    exporting.export(initech, tmp_path / "a.kefu")
    hooli = copy(tmp_path / "a.kefu")
    assert hooli.status == Tenant.Status.SUSPENDED
    with inside(hooli):
        assert Effect.objects.get(target="open").lease_until is None
        assert PendingTurn.objects.get().lease_until is None


def test_it_lets_no_secret_out_without_a_key(
    initech: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM initech.inference_provider")
        (token,) = cursor.fetchone()
    with pytest.raises(SystemExit) as ended:
        call_command("tenant", "export", "initech", str(tmp_path / "a.kefu"), "--json")
    assert ended.value.code == 0
    with pytest.raises(SystemExit):
        call_command(
            "tenant",
            "import",
            str(tmp_path / "a.kefu"),
            "--schema",
            "hooli",
            "--host",
            "hooli.example",
            "--json",
        )
    printed = capsys.readouterr()
    contents = b"".join(
        [*take_apart(tmp_path / "a.kefu").members.values(), (tmp_path / "a.kefu").read_bytes()]
    )
    for text in (contents.decode(errors="replace"), printed.out, printed.err, caplog.text):
        assert CANARY not in text and token not in text
    last = json.loads("{" + printed.out.rsplit("\n{", 1)[1])
    assert last["missing_secrets"] == [
        {"table": "inference_provider", "column": "api_key", "key": ["1"], "label": "Bob"}
    ]
    with inside(Tenant.objects.get(schema_name="hooli")):
        assert Provider.objects.get().api_key == ""


def test_it_seals_secrets_with_a_key(
    initech: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["initech", str(tmp_path / "a.kefu"), "--key-file", str(tmp_path / "key"), "--json"]
    with pytest.raises(SystemExit):
        call_command("tenant", "export", *arguments)
    assert (tmp_path / "key").read_text().strip() not in capsys.readouterr().out
    contents = b"".join(take_apart(tmp_path / "a.kefu").members.values())
    assert CANARY.encode() not in contents and b"gAAAA" not in contents
    from tenants.archive.sealing import read_key

    with inside(copy(tmp_path / "a.kefu", read_key(tmp_path / "key"))):
        assert Provider.objects.get().api_key == CANARY


def test_it_reads_one_moment_while_others_write(
    initech: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody comes, and somebody goes, between the first table and the last."""
    written = exporting._table

    def write_meanwhile(*args: object) -> object:
        thread = threading.Thread(target=come_and_go)
        thread.start()
        thread.join()
        return written(*args)

    def come_and_go() -> None:
        try:
            with inside(initech):
                Visitor.objects.filter(conversations=None).delete()
                Visitor.objects.create(name="late")
                Provider.objects.filter(name="Bob").update(name="Robert")
        finally:
            connection.close()

    monkeypatch.setattr(exporting, "_table", write_meanwhile)
    exporting.export(initech, tmp_path / "a.kefu")
    parts = take_apart(tmp_path / "a.kefu")
    assert parts.table("chat_visitor")["rows"] == 1 and b"late" not in parts.members["tables/chat_visitor"]
    assert b"Bob" in parts.members["tables/inference_provider"]


def test_it_writes_the_same_again_for_the_same(initech: Tenant, tmp_path: Path) -> None:
    one, two = (exporting.export(initech, tmp_path / f"{name}.kefu") for name in "ab")
    assert one.tables == two.tables and one.files == two.files and one.public == two.public


def test_it_says_what_it_cannot_take_along(initech: Tenant, tmp_path: Path) -> None:
    with inside(initech), connection.cursor() as cursor:
        cursor.execute("CREATE VIEW names AS SELECT name FROM chat_visitor")
        cursor.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
        cursor.execute("CREATE TABLE moods (a mood)")
        cursor.execute("CREATE TABLE tenants_tenant (a text)")
        cursor.execute(
            'CREATE TABLE "Orders, 2026" ("Nr." numeric(10,2)[] PRIMARY KEY, 备注 character varying(5))'
        )
        cursor.execute("INSERT INTO \"Orders, 2026\" VALUES ('{1.50,2}', '好')")
    manifest = exporting.export(initech, tmp_path / "a.kefu")
    assert manifest.left_out == ["type mood", "view names", "table moods", "table tenants_tenant"]
    with inside(copy(tmp_path / "a.kefu")), connection.cursor() as cursor:
        cursor.execute('SELECT * FROM "Orders, 2026"')
        assert [str(value) for value in cursor.fetchone()] == ["[Decimal('1.50'), Decimal('2.00')]", "好"]
        cursor.execute(
            "SELECT count(*) FROM pg_index WHERE indrelid = '\"Orders, 2026\"'::regclass AND indisprimary"
        )
        assert cursor.fetchone() == (1,)


def test_it_follows_no_link(initech: Tenant, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of somebody else")
    (files.folder_of("initech") / "link").symlink_to(tmp_path / "secret")
    (files.folder_of("initech") / "folder").symlink_to(tmp_path)
    manifest = exporting.export(initech, tmp_path / "a.kefu")
    assert [file.path for file in manifest.files] == ["documents/a.txt"]


@pytest.mark.parametrize("name", ["a.zip", "there.kefu"])
def test_it_writes_over_nothing(initech: Tenant, tmp_path: Path, name: str) -> None:
    (tmp_path / "there.kefu").write_text("there")
    with pytest.raises(Refused):
        exporting.export(initech, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.kefu"]
    assert (tmp_path / "there.kefu").read_text() == "there"


def test_it_takes_nothing_of_the_platform_for_a_tenant_without_a_schema(
    initech: Tenant, tmp_path: Path
) -> None:
    """What is missing in a tenant's schema, PostgreSQL would look for in the public one."""
    with outside(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA initech CASCADE")
    with pytest.raises(Refused):
        exporting.export(initech, tmp_path / "a.kefu")
    assert [*tmp_path.iterdir()] == []
    assert erasing.erase("initech", quiet=0).found == []


def test_it_leaves_nothing_where_it_fails(
    initech: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_seal_up", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError):
        exporting.export(initech, tmp_path / "a.kefu")
    assert [*tmp_path.iterdir()] == []


def test_it_is_alone_with_a_tenant(initech: Tenant, tmp_path: Path) -> None:
    refused: list[str] = []

    def try_meanwhile(*_: object) -> None:
        try:
            erasing.erase("initech", quiet=0)
        except WrongState as error:
            refused.append(error.message)
        finally:
            connection.close()

    def watch(what: str, done: int, total: int) -> None:
        if not refused:
            thread = threading.Thread(target=try_meanwhile)
            thread.start()
            thread.join()

    exporting.export(initech, tmp_path / "a.kefu", progress=watch)
    assert len(refused) == 1 and "initech" in refused[0]
    assert registry.tenant_of_host("initech.example")


def test_it_brings_in_what_an_older_kefu_wrote(initech: Tenant, tmp_path: Path) -> None:
    """Its tables as they were then, its rows, then the migrations since."""
    exporting.export(initech, tmp_path / "a.kefu")
    parts = take_apart(tmp_path / "a.kefu")
    older = {app: list(names) for app, names in parts.manifest["migrations"].items()}
    older["chat"] = [name for name in older["chat"] if name < "0004"]
    gone = set(states.expected_tables(parts.manifest["migrations"])) - set(states.expected_tables(older))
    assert {"chat_effect", "chat_webhook"} <= gone
    parts.manifest["migrations"] = older
    parts.manifest["tables"] = [table for table in parts.manifest["tables"] if table["name"] not in gone]
    parts.members = {
        name: content for name, content in parts.members.items() if name.removeprefix("tables/") not in gone
    }
    parts.drop_column("chat_message", "attachments")
    for column in ("external_id", "identified_until", "erasing_since"):
        parts.drop_column("chat_visitor", column)
    parts.hash_anew()
    hooli = copy(parts.write(tmp_path / "older.kefu"))
    with inside(hooli):
        assert states.applied() == states.newest()
        assert Visitor.objects.count() == 1 and Effect.objects.count() == 0
    registry.forget()
    found = registry.tenant_of_host("hooli.example")
    assert found and found.is_migrated and found.policy.bot_name == "Milton"


def test_it_could_tell_beforehand(
    initech: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exporting.export(initech, tmp_path / "a.kefu")
    for arguments in (
        ["export", "initech", "--dry-run", "--json"],
        [
            "import",
            str(tmp_path / "a.kefu"),
            "--schema",
            "hooli",
            "--host",
            "hooli.example",
            "--dry-run",
            "--json",
        ],
        ["erase", "initech", "--dry-run", "--json"],
    ):
        with pytest.raises(SystemExit) as ended:
            call_command("tenant", *arguments)
        assert ended.value.code == 0 and json.loads(capsys.readouterr().out)["dry_run"] is True
    assert not Tenant.objects.filter(schema_name="hooli").exists()
    assert Tenant.objects.get(schema_name="initech").is_active


def test_it_knows_where_a_tenants_files_are(initech: Tenant) -> None:
    with inside(initech):
        assert Path(default_storage.path("")) == files.folder_of("initech")


def test_it_would_notice_secrets_that_no_archive_holds() -> None:
    """Those of tables in the public schema: none are kept there."""
    models = [Tenant, *public.owned_models().values()]
    fields = [field for model in models for field in model._meta.concrete_fields]
    assert not [field for field in fields if isinstance(field, EncryptedTextField)]
    assert "inference_provider" in catalogue.secrets_by_table()


def test_it_would_notice_rows_of_a_tenant_that_hang_from_others() -> None:
    """Only what leads to Tenant itself is found: nothing may hang from a domain or a policy alone."""
    owned = set(public.owned_models().values())
    for model in owned:
        assert {relation.related_model for relation in model._meta.related_objects} <= owned


def test_it_says_the_version_of_the_project() -> None:
    assert f'version = "{settings.VERSION}"' in (settings.BASE_DIR / "pyproject.toml").read_text()


def test_it_has_rules_for_tables_that_are_there() -> None:
    from tenants.archive.rules import rules

    columns = {
        model._meta.db_table: {field.column for field in model._meta.concrete_fields}
        for model in apps.get_models()
    }
    for table, rule in rules().items():
        assert set(rule.blank) <= columns[table]
    claims = {table for table, names in columns.items() if "lease_until" in names}
    assert claims == {table for table, rule in rules().items() if "lease_until" in rule.blank}
