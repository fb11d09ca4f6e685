"""Two logins of PostgreSQL's: the owner's makes tables, the application's works with rows and can do nothing else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from kefu.dev import postgres
from tests.tenants.archive import installation
from tests.tenants.archive.installation import Installation

pytestmark = pytest.mark.slow
DJANGO = "import django; django.setup(); from django.db import connection; from tenants import registry; "


@pytest.fixture(scope="module")
def here() -> Iterator[Installation]:
    """With Acme and Globex, made by commands; the application's login has a password, as anywhere but on this machine."""
    with tempfile.TemporaryDirectory(prefix="kefu-") as folder:
        made = installation.start(Path(folder))
        made.environment["DATABASE_URL"] = made.environment["DATABASE_URL"].replace("@", ":a-word@")
        try:
            made.run("-m", "kefu.dev.preparation").check_returncode()
            for name in ("acme", "globex"):
                made.tenant("create", name, "--host", f"{name}.localhost")
            yield made
        finally:
            installation.stop(made)


@pytest.fixture
def application(here: Installation) -> Iterator[psycopg.Connection]:
    with psycopg.connect(here.environment["DATABASE_URL"], autocommit=True) as line:
        yield line


def asked(here: Installation, program: str, **more: str) -> str:
    """What a program with the web's login printed; it succeeded."""
    done = here.run("-c", DJANGO + program, DJANGO_SETTINGS_MODULE="kefu.settings", **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


FORBIDDEN = [
    "CREATE TABLE {schema}.more (id int)",
    "CREATE VIEW {schema}.more AS SELECT 1",
    "CREATE FUNCTION {schema}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE {schema}.more AS ENUM ('a')",
    "CREATE INDEX more ON {schema}.django_session (expire_date)",
    "CREATE TRIGGER more BEFORE INSERT ON {schema}.django_session EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DROP TABLE {schema}.django_session",
    "DROP SCHEMA {schema} CASCADE",
    "ALTER SCHEMA {schema} RENAME TO more",
    "ALTER TABLE {schema}.django_session ADD COLUMN more int",
    "ALTER TABLE {schema}.django_session DISABLE TRIGGER ALL",
    "ALTER TABLE {schema}.django_session OWNER TO CURRENT_USER",
    "TRUNCATE {schema}.django_session",
    "COMMENT ON TABLE {schema}.django_session IS 'mine'",
]


@pytest.mark.parametrize("schema", ["public", "acme", "globex", "_template"])
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_its_login_changes_no_table_of_any_schema(
    application: psycopg.Connection, schema: str, statement: str
) -> None:
    with pytest.raises(InsufficientPrivilege):
        application.execute(statement.format(schema=schema))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE more",
        "CREATE DATABASE more",
        "CREATE SCHEMA more",
        "CREATE TEMPORARY TABLE chat_message (id int)",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "ALTER ROLE kefu PASSWORD 'mine'",
        "SET ROLE kefu",
        "SET SESSION AUTHORIZATION kefu",
        "DROP EXTENSION vector",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_shadow",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT * FROM _template.auth_user",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kefu'",
    ],
)
def test_its_login_is_nobody_in_the_server(
    here: Installation, application: psycopg.Connection, statement: str
) -> None:
    with here.database(), pytest.raises(InsufficientPrivilege):
        application.execute(statement)


def test_its_login_gives_nothing_away(here: Installation, application: psycopg.Connection) -> None:
    """PostgreSQL only warns whoever grants what is not theirs to grant."""
    with here.database() as owner:
        owner.execute("CREATE ROLE somebody")
    application.execute("GRANT SELECT ON acme.auth_user TO somebody")
    application.execute("GRANT USAGE ON SCHEMA acme TO PUBLIC")
    with here.database() as owner:
        row = owner.execute(
            "SELECT has_table_privilege('somebody', 'acme.auth_user', 'SELECT'),"
            " has_schema_privilege('somebody', 'acme', 'USAGE')"
        ).fetchone()
        owner.execute("DROP ROLE somebody")
    assert row == (False, False)


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_its_login_enters_no_other_database(here: Installation, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(here.environment["DATABASE_URL"], dbname=database)


def test_its_login_was_made_with_the_password_of_its_address_which_no_log_shows(here: Installation) -> None:
    with here.database() as owner:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        (kept,) = owner.execute(query, [postgres.APPLICATION]).fetchone()
        assert kept.startswith("SCRAM-SHA-256$")
    assert "a-word" not in (here.folder / "postgres.log").read_text()


@pytest.mark.parametrize("schema", ["public", "acme", "globex"])
def test_its_login_works_with_rows(application: psycopg.Connection, schema: str) -> None:
    with application.transaction(force_rollback=True):
        table = f"{schema}.auth_group"  # its key is a number that PostgreSQL gives
        application.execute(f"INSERT INTO {table} (name) VALUES ('one')")
        application.execute(f"UPDATE {table} SET name = 'two' WHERE name = 'one'")
        application.execute(f"SELECT FROM {table} WHERE name = 'two' FOR UPDATE")
        assert application.execute(f"DELETE FROM {table} WHERE name = 'two'").rowcount == 1
        application.execute(f"SELECT nextval('{schema}.auth_group_id_seq')")


def test_what_is_made_later_is_open_to_its_login_and_no_neighbours_row_to_a_reader(
    here: Installation,
) -> None:
    """As a migration makes a table; and a company's own, which look-ups may read once `migrate` has run."""
    with here.database() as owner:
        owner.execute("CREATE TABLE acme.later (id int GENERATED BY DEFAULT AS IDENTITY, word text)")
        owner.execute("CREATE TABLE globex.later AS SELECT 1 AS id, 'of globex' AS word")
    with psycopg.connect(here.environment["DATABASE_URL"]) as line:
        line.execute("INSERT INTO acme.later (word) VALUES ('of acme')")
    look = """
from tenants import reader; from tenants.context import inside; tenant = registry.tenant_of_schema('acme')
for table in {}:
    try:
        with inside(tenant), reader.reading(tenant, 1000) as line:
            print(line.execute(f'SELECT count(*) FROM {{table}}').fetchone())
    except Exception as error:
        print(str(error).splitlines()[0])
"""
    assert "permission denied for table later" in asked(here, look.format(["later"]))

    here.tenant("migrate")

    own, *others = asked(here, look.format(["later", "globex.later", "auth_user"])).splitlines()
    assert own == "(1,)" and len(others) == 2
    assert all("permission denied" in said for said in others), others


def test_web_and_workers_never_keep_the_owners_login(here: Installation) -> None:
    program = (
        "import os; print(connection.settings_dict['USER'], [name for name in os.environ if 'OWNER' in name])"
    )
    assert asked(here, program) == f"{postgres.APPLICATION} []"


def test_a_schema_that_its_login_may_not_enter_is_not_served(here: Installation) -> None:
    """PostgreSQL leaves such a schema off the search path: the platform's logins would be taken for the company's."""
    with here.database() as owner:
        owner.execute("REVOKE USAGE ON SCHEMA acme FROM kefu_application")
    try:
        assert (
            asked(here, "print(registry.behind(), registry.active_tenants())")
            == "['acme'] [<Tenant: globex>]"
        )
    finally:
        assert here.told("migrate")["migrated"] == []
    with psycopg.connect(here.environment["DATABASE_URL"]) as line:
        assert line.execute("SELECT count(*) FROM acme.auth_user").fetchone() == (1,)


PAGES = """
from django.contrib.auth.models import User
from django.test import Client
from tenants.models import Plan, Tenant
operator, _ = User.objects.get_or_create(username="op", is_staff=True, is_superuser=True)
client = Client(HTTP_HOST="localhost", HTTP_ACCEPT_LANGUAGE="en")
client.force_login(operator)
acme = Tenant.objects.get(schema_name="acme")
page = client.get("/admin/tenants/tenant/add/")
assert page.status_code == 200 and b"manage.py tenant create" in page.content and b'name="schema_name"' not in page.content
sent = {"schema_name": "hooli", "name": "Hooli", "locale": "en", "time_zone": "UTC", "plan": 1}
page = client.post("/admin/tenants/tenant/add/", sent | {"host": "h.localhost", "username": "a", "password": "long-enough-9"})
assert page.status_code == 200 and b"manage.py tenant create" in page.content
for path in ("", "tenants/tenant/", f"tenants/tenant/{acme.pk}/change/", "tenants/plan/"):
    assert client.get(f"/admin/{path}").status_code == 200, path
for action, active in (("suspend", False), ("resume", True)):
    sent = {"action": action, "confirmed": action, "_selected_action": acme.pk}
    client.post("/admin/tenants/tenant/", sent)
    assert Tenant.objects.get(pk=acme.pk).is_active is active
plan = {"name": "S", "agents": 0, "conversations": 0, "storage_mb": 0, "tokens": 0}
assert client.post("/admin/tenants/plan/add/", plan).status_code == 302
assert Plan.objects.get(name="S").delete()
print(sorted(Tenant.objects.values_list("schema_name", flat=True)))
"""


def test_its_admin_shows_the_command_that_adds_a_tenant_and_does_all_else(here: Installation) -> None:
    assert asked(here, PAGES) == "['acme', 'globex', 'public']"
    assert "hooli" not in here.schemas()


@pytest.mark.parametrize(
    "words", [["create", "hooli", "--host", "h.localhost"], ["erase", "acme", "--yes", "acme"], ["migrate"]]
)
def test_a_command_without_the_owners_login_says_what_it_lacks(here: Installation, words: list[str]) -> None:
    before = here.everything("acme")
    done = here.run("manage.py", "tenant", *words, "--json", KEFU_OWNER_DATABASE_URL="")
    assert done.returncode == 1
    assert "KEFU_OWNER_DATABASE_URL" in json.loads(done.stdout)["error"]
    assert here.everything("acme") == before


def test_an_installation_with_one_login_becomes_one_with_two(here: Installation) -> None:
    """The login that it had becomes the owner's; `tenant migrate` makes the other one, with nothing else to do."""
    address = here.environment["KEFU_OWNER_DATABASE_URL"]
    later = address.replace("kefu@", "kefu_later:word@")
    alone = {"DATABASE_URL": address, "KEFU_OWNER_DATABASE_URL": ""}
    try:
        assert asked(here, "print(registry.behind())", **alone) == "[]"
        done = here.run("manage.py", "tenant", "migrate", "--json", DATABASE_URL=later)
        assert json.loads(done.stdout)["migrated"] == [], done.stderr
        with psycopg.connect(later) as line:
            assert line.execute("SELECT count(*) FROM acme.auth_user").fetchone() == (1,)
            with pytest.raises(InsufficientPrivilege):
                line.execute("CREATE TABLE acme.more (id int)")
    finally:
        with here.database() as owner:
            owner.execute("DROP OWNED BY kefu_later; DROP ROLE kefu_later")
