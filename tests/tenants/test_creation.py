"""A new tenant is there as a whole, or not at all (F35)."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import sleep

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection

from kefu.dev import postgres
from kefu.errors import WrongState
from tenants import actions, cloning, fleet, migrating, template
from tenants.context import inside, outside
from tenants.models import Domain, Policy, SchemaState, Tenant
from tenants.names import TEMPLATE
from tests.services import FOLDER
from tests.tenants.conftest import remove, schemas

pytestmark = pytest.mark.slow
SEED = random.randrange(10_000)
# Adds the tenant whose name it reads, in a process of its own each time, and says when that process is about to begin.
FORKER = """
import os, sys, django
django.setup()
from tenants import actions, template
for name in sys.stdin:
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("over", flush=True)
    else:
        actions.add(name.strip(), name, [f"{name.strip()}.localhost"])
        os._exit(0)
"""


# Rows with times, or with numbers that depend on the order in which models were looked at.
COUNTED_ANEW = ("django_migrations*", "django_content_type*", "auth_permission*")


def permissions(schema: str) -> set[tuple[str, ...]]:
    with inside(Tenant(schema_name=schema)):
        return set(
            Permission.objects.values_list(
                "content_type__app_label", "content_type__model", "codename", "name"
            )
        )


def dump(schema: str, *options: str) -> str:
    """All that PostgreSQL knows of a schema, under a name that is the same for all."""
    program = str(postgres.binaries() / "pg_dump")
    told = (program, "-h", str(postgres.socket_folder(FOLDER / "postgres")), "-U", "kefu", "-n", schema)
    text = subprocess.run([*told, *options, "kefu"], capture_output=True, text=True, check=True).stdout
    return re.sub(rf"\b{schema}\b", "SCHEMA", re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.M))


def nothing_is_left_of(schema: str) -> bool:
    with outside():
        rows = (
            Tenant.objects.filter(schema_name=schema).exists()
            or Domain.objects.filter(domain=f"{schema}.localhost").exists()
        )
    return schema not in schemas() and not rows and not Path(settings.MEDIA_ROOT, schema).exists()


# --- The same as a migrated one ---------------------------------------------------------------------------------------


def test_it_copies_the_template_to_the_last_bit(initech: Tenant) -> None:
    assert dump("initech") == dump(TEMPLATE)


def test_it_makes_what_djangos_own_migrations_make(initech: Tenant) -> None:
    """Tables, columns, defaults, sequences, constraints, indexes, and the rows that migrations write."""
    with outside(), connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA hooli")
    try:
        call_command("migrate_schemas", schema_name="hooli", interactive=False, verbosity=0)
        but = [f"--exclude-table-data=*.{table}" for table in COUNTED_ANEW]
        assert dump("initech", *but) == dump("hooli", *but)
        known = migrating.recorded(["initech", "hooli"])
        assert [name for name in known["hooli"] if not name.startswith("tenants.")] == [
            name for name in known["initech"] if not name.startswith("tenants.")
        ]
        assert permissions("initech") == permissions("hooli") != set()
    finally:
        remove("hooli")


def test_it_gives_the_copy_its_own_rows_and_counters(initech: Tenant, live_globex: Tenant) -> None:
    with inside(initech):
        assert ContentType.objects.get(app_label="chat", model="message")
        assert Permission.objects.filter(codename="view_message").count() == 1
        assert User.objects.create_user("milton").pk == 1
        assert ContentType.objects.create(app_label="chat", model="stapler").pk > 1
    with inside(live_globex):
        assert not User.objects.filter(username="milton").exists()
        assert not ContentType.objects.filter(model="stapler").exists()
    assert "stapler" not in dump(TEMPLATE)


@pytest.mark.parametrize(
    "stranger",
    [
        "CREATE VIEW odd.latest AS SELECT 1",
        "CREATE SEQUENCE odd.free",
        "CREATE FUNCTION odd.one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE odd.mood AS ENUM ('glad')",
        "CREATE TABLE odd.secret (id int); ALTER TABLE odd.secret ENABLE ROW LEVEL SECURITY",
    ],
)
def test_it_refuses_to_copy_what_it_does_not_know(db: None, stranger: str) -> None:
    with outside(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA odd; {stranger}")
        with pytest.raises(WrongState):
            cloning.clone("odd", "initech")
    assert "initech" not in schemas()


# --- The template -----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_template(committed: None) -> None:
    with outside(), connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{TEMPLATE}" CASCADE')


def test_it_makes_the_template_when_it_is_first_needed(no_template: None, room_for_initech: None) -> None:
    actions.add("initech", "Initech", ["initech.localhost"])
    assert template.is_ready()
    with outside():
        assert not Tenant.objects.filter(schema_name=TEMPLATE).exists()


def test_it_makes_one_template_for_two_who_need_it_at_once(
    no_template: None, room_for_initech: None, django_db_blocker: object
) -> None:
    def add(name: str) -> str:
        try:
            return actions.add(name, name, [f"{name}.localhost"]).schema_name
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(add, ["initech", "hooli"])) == ["initech", "hooli"]
    remove("hooli")


def test_it_leaves_the_template_alone_while_it_is_being_copied(
    committed: None, room_for_initech: None
) -> None:
    """Whoever migrates the template waits for the copier's transaction."""
    from django.db import transaction

    from tenants import locks

    with outside(), transaction.atomic():
        actions.add("initech", "Initech", ["initech.localhost"])

        def try_it() -> None:
            try:
                with locks.held(TEMPLATE, busy="busy"):
                    pass
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as thread, pytest.raises(WrongState, match="busy"):
            thread.submit(try_it).result()


# --- All or nothing ---------------------------------------------------------------------------------------------------


def test_it_leaves_nothing_when_copying_fails(
    room_for_initech: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: str, target: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE SCHEMA "{target}"; CREATE TABLE "{target}".half (id int)')
        raise OSError("the disk is full")

    monkeypatch.setattr(cloning, "clone", half)
    with pytest.raises(OSError):
        actions.add("initech", "Initech", ["initech.localhost"])
    assert nothing_is_left_of("initech")
    monkeypatch.undo()
    assert actions.add("initech", "Initech", ["initech.localhost"])


def test_it_leaves_nothing_when_it_is_killed(room_for_initech: None) -> None:
    """At random moments: either all of it is there or nothing is, and then the name can be used."""
    chance, survived = random.Random(SEED), 0
    forker = subprocess.Popen(
        (sys.executable, "-c", FORKER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=settings.BASE_DIR,
    )
    assert forker.stdin and forker.stdout
    try:
        for _ in range(12):
            forker.stdin.write("initech\n")
            forker.stdin.flush()
            pid = int(forker.stdout.readline())
            sleep(chance.uniform(0, 0.4))
            with suppress(ProcessLookupError):  # it was quicker
                os.kill(pid, signal.SIGKILL)
            assert forker.stdout.readline() == "over\n"
            settle()
            if nothing_is_left_of("initech"):
                continue
            survived += 1
            assert dump("initech") == dump(TEMPLATE), f"seed {SEED}"
            with outside():
                tenant = Tenant.objects.get(schema_name="initech")
                assert Domain.objects.get(tenant=tenant) and Policy.objects.get(tenant=tenant)
            remove("initech")
    finally:
        forker.stdin.close()
        forker.wait(30)
    assert survived < 12, "none was killed in time"
    assert actions.add("initech", "Initech", ["initech.localhost"])


def settle() -> None:
    """Until PostgreSQL has noticed that a client is gone."""
    from tests.product import wait_until

    def is_quiet() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            return cursor.fetchone() == (0,)

    wait_until(is_quiet)


def test_it_lets_one_of_two_have_a_name(room_for_initech: None) -> None:
    def add(number: int) -> str:
        try:
            actions.add("initech", f"Initech {number}", [f"initech{number}.localhost"])
        except ValidationError as error:
            return " ".join(error.messages)
        finally:
            connection.close()
        return "added"

    with ThreadPoolExecutor(2) as threads:
        answers = sorted(threads.map(add, range(2)), key="added".__eq__)
    assert answers[1] == "added" and "initech" in answers[0]
    with outside():
        assert Domain.objects.filter(domain__startswith="initech").count() == 1


def test_it_takes_no_schema_that_somebody_left(room_for_initech: None) -> None:
    with outside(), connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA initech; CREATE TABLE initech.diary (text text)")
    with pytest.raises(ValidationError, match="initech"):
        actions.add("initech", "Initech", ["initech.localhost"])
    with outside():
        assert not Tenant.objects.filter(schema_name="initech").exists()


@pytest.fixture
def old_files() -> Iterator[Path]:
    folder = Path(settings.MEDIA_ROOT, "initech")
    folder.mkdir(parents=True)
    file = folder / "report.pdf"
    file.write_bytes(b"secret")
    yield file
    file.unlink()
    folder.rmdir()


def test_it_takes_no_files_that_somebody_left(room_for_initech: None, old_files: Path) -> None:
    with pytest.raises(ValidationError, match=re.escape(str(old_files.parent))):
        actions.add("initech", "Initech", ["initech.localhost"])
    assert old_files.exists() and "initech" not in schemas()


def test_it_says_where_a_new_tenant_stands(initech: Tenant) -> None:
    state = SchemaState.objects.get(tenant=initech)
    assert state.state == "ready" and state.applied == migrating.recorded(["initech"])["initech"]
    assert fleet.missing()["initech"] == []
