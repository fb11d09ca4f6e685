"""Look-ups read the tenant's own tables, and do nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.utils import translation

from inference import queries
from inference.connectors import look_up
from inference.look_ups import sql
from inference.models import Connector
from tenants import reader
from tenants.context import database_call, inside
from tenants.models import Tenant
from tests.inference.turns import wake_everything

BY_NUMBER = "SELECT number, status, expected FROM shop_order_test WHERE number = %(number)s"
TABLE = """
    CREATE TABLE shop_order_test (number text, status text, expected date);
    INSERT INTO shop_order_test VALUES ('A10001', '运输中', '2026-08-09'), ('O''Hara', '已签收', NULL), ('{}', '在这里', NULL)
"""


def execute(tenant: Tenant, statement: str) -> None:
    with inside(tenant), connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def each_has_table(name: str, statements: str, *tenants: Tenant) -> Iterator[None]:
    """While it lasts. `statements` make the table; `{}` in them is the tenant's schema."""
    for tenant in tenants:
        execute(tenant, statements.format(tenant.schema_name))
    yield
    for tenant in tenants:
        execute(tenant, f"DROP TABLE {name}")


def count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM shop_order_test")
        return int(cursor.fetchone()[0])


async def asked(tenant: Tenant, order: Connector, values: dict[str, str]) -> str:
    with translation.override("en"):
        return (await look_up(tenant, order, values)).text


@pytest.fixture(autouse=True)
def nothing_rests(services: None) -> None:
    wake_everything()


@pytest.fixture
def shop(live_acme: Tenant, live_globex: Tenant) -> Iterator[Tenant]:
    with each_has_table("shop_order_test", TABLE, live_acme, live_globex):
        yield live_acme


def connector(query: str = BY_NUMBER, **fields: object) -> Connector:
    known = {"template": "{number}: {status}", "nothing_found": "No order {number}."}
    return Connector(**{"name": "order", "query": query, **known, **fields})


async def test_it_words_the_first_row(shop: Tenant) -> None:
    order = connector(template="{number} is {status}, due {expected}")
    assert await asked(shop, order, {"number": "A10001"}) == "A10001 is 运输中, due 8/9"
    assert await asked(shop, order, {"number": "O'Hara"}) == "O'Hara is 已签收, due "


async def test_it_words_a_status_of_its_own_differently(shop: Tenant) -> None:
    order = connector(by_status={"运输中": "{number} is under way"})
    assert await asked(shop, order, {"number": "A10001"}) == "A10001 is under way"


async def test_it_words_it_in_english_for_who_reads_english_where_the_company_wrote_some(
    shop: Tenant,
) -> None:
    order = connector(
        template="{number}：{status}",
        by_status={"运输中": "{number} 在路上"},
        nothing_found="没有 {number}。",
        template_en="{number} is {status}",
        by_status_en={"运输中": "{number} is under way"},
        nothing_found_en="No {number}.",
    )
    numbers = ("A10001", "O'Hara", "B1")
    in_english = [await asked(shop, order, {"number": number}) for number in numbers]
    assert in_english == ["A10001 is under way", "O'Hara is 已签收", "No B1."]
    with translation.override("zh-hans"):
        in_chinese = [(await look_up(shop, order, {"number": number})).text for number in numbers]
    assert in_chinese == ["A10001 在路上", "O'Hara：已签收", "没有 B1。"]


async def test_it_says_a_status_without_english_words_by_the_english_answer(shop: Tenant) -> None:
    order = connector(by_status={"运输中": "{number} 在路上"}, template_en="{number} is {status}")
    assert await asked(shop, order, {"number": "A10001"}) == "A10001 is 运输中"


async def test_it_keeps_to_the_companys_language_where_it_wrote_no_english(shop: Tenant) -> None:
    order = connector(by_status={"运输中": "{number} 在路上"})
    assert await asked(shop, order, {"number": "A10001"}) == "A10001 在路上"


@pytest.mark.parametrize(
    "number", ["A99999", "' OR '1'='1", "x'; DROP TABLE shop_order_test; --", "%", "{0.__class__}"]
)
async def test_it_binds_what_visitors_write(shop: Tenant, number: str) -> None:
    assert await asked(shop, connector(), {"number": number}) == f"No order {number}."
    assert await database_call(shop, count) == 3


async def test_it_reads_its_own_tenants_table(shop: Tenant, live_globex: Tenant) -> None:
    assert await asked(shop, connector(), {"number": "acme"}) == "acme: 在这里"
    assert await asked(shop, connector(), {"number": "globex"}) == "No order globex."
    assert await asked(live_globex, connector(), {"number": "globex"}) == "globex: 在这里"


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM shop_order_test RETURNING number, status",
        "UPDATE shop_order_test SET status = 'x' RETURNING number, status",
        "WITH gone AS (DELETE FROM shop_order_test RETURNING *) SELECT * FROM gone",
        "SELECT 1; DELETE FROM shop_order_test",
        "SELECT 1; COMMIT; DELETE FROM shop_order_test; SELECT number, status FROM shop_order_test",
        "SELECT 1) AS a; COMMIT; DELETE FROM shop_order_test; SELECT (1",
        "SET TRANSACTION READ WRITE; DELETE FROM shop_order_test",
        "DO $$ BEGIN DELETE FROM shop_order_test; END $$",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "DROP TABLE shop_order_test",
        "SELECT number FROM no_such_table",
        "SELECT %(no_such_slot)s",
        "SELECT 100 % 7",
        "not SQL",
        "",
    ],
)
async def test_it_changes_nothing_and_says_so(shop: Tenant, query: str) -> None:
    assert (await asked(shop, connector(query), {"number": "A10001"})).startswith("I cannot look this up")
    assert await database_call(shop, count) == 3


SECRETS = "CREATE TABLE secret_test (word text); INSERT INTO secret_test VALUES ('canary of {}')"
ESCAPES = [
    "SELECT word FROM globex.secret_test",
    'SELECT word FROM "globex"."secret_test"',
    "SELECT word FROM/**/globex/* */.--\nsecret_test",
    "SELECT word FROM kefu.globex.secret_test",
    "SELECT word FROM public.secret_test",
    "SELECT set_config('search_path', 'globex', false) AS word, (SELECT s.word FROM secret_test s)",
    "SELECT set_config('role', 'kefu', false) AS word",
    "SELECT pg_catalog.set_config('role', 'none', true) AS word",
    "SELECT \"set_config\" ('role', 'none', true) AS word",
    "SET search_path = globex; SELECT word FROM secret_test",
    "SELECT word FROM secret_test; SET search_path = globex",
    "SELECT 1) AS a; RESET ROLE; SELECT * FROM (SELECT word FROM globex.secret_test",
    "SELECT query_to_xml('SELECT word FROM globex.secret_test', true, false, '')::text AS word",
    "SELECT table_to_xml('globex.secret_test', true, false, '')::text AS word",
    "SELECT schema_to_xml('globex', true, false, '')::text AS word",
    "SELECT database_to_xml(true, false, '')::text AS word",
    "SELECT word FROM dblink('dbname=kefu', 'SELECT word FROM globex.secret_test') AS t(word text)",
    "SELECT pg_read_file('/etc/passwd') AS word",
    "SELECT pg_ls_dir('/')::text AS word",
    "SELECT lo_import('/etc/passwd')::text AS word",
    "SELECT nspname AS word FROM pg_namespace WHERE nspname = 'globex'",
    "SELECT nspname AS word FROM pg_catalog.pg_namespace WHERE nspname = 'globex'",
    "SELECT nspname AS word FROM \"pg_namespace\" WHERE nspname = 'globex'",
    "SELECT nspname AS word FROM U&\"\\0070g_namespace\" WHERE nspname = 'globex'",
    "SELECT n::text AS word FROM (SELECT relname AS n FROM pg_class WHERE relname = 'secret_test') AS t",
    "SELECT schemaname AS word FROM pg_stat_user_tables WHERE schemaname = 'globex'",
    "SELECT schema_name AS word FROM information_schema.schemata",
    "SELECT query AS word FROM pg_stat_activity",
    "SELECT 'globex'::regnamespace::text AS word",
    "SELECT to_regnamespace('globex')::text AS word",
    "SELECT has_schema_privilege('globex', 'USAGE')::text AS word",
    "SELECT E'\\'' || (SELECT 'x' FROM pg_namespace LIMIT 1) || '' AS word",
    "SELECT $$x$$ AS word",
    "SELECT schema_name AS word FROM public.tenants_tenant",
    "SELECT password AS word FROM auth_user",
    "SELECT session_key AS word FROM django_session",
    "SELECT api_key AS word FROM inference_provider",
    "SELECT current_setting('data_directory') AS word",
    "SELECT repeat('x', 1000000000) AS word",
    "SELECT pg_sleep(60)::text AS word",
    "SELECT pg_advisory_lock(1)::text AS word",
    "SELECT pg_notify('kefu', 'x')::text AS word",
    "SELECT pg_terminate_backend(pid)::text AS word FROM pg_stat_activity",
    "SELECT word FROM secret_test FOR UPDATE",
    "WITH w AS (INSERT INTO secret_test VALUES ('x') RETURNING word) SELECT word FROM w",
    "TABLE globex.secret_test",
    "/* /* */ SELECT word FROM globex.secret_test -- */",
]


@pytest.fixture
def secrets(shop: Tenant, live_globex: Tenant) -> Iterator[Tenant]:
    for tenant in (shop, live_globex):
        execute(tenant, SECRETS.format(tenant.schema_name))
        with inside(tenant):
            Connector.objects.create(name="kept", query="SELECT 1")
    yield shop
    for tenant in (shop, live_globex):
        execute(tenant, "DROP TABLE secret_test")
        with inside(tenant):
            Connector.objects.all().delete()


async def test_h03_it_reads_nothing_but_its_own_companys_tables_whatever_the_sql_says(
    secrets: Tenant,
) -> None:
    own = connector("SELECT word FROM secret_test", template="{word}")
    for query in ESCAPES:
        said = await asked(secrets, connector(query, template="{word}"), {})
        assert said.startswith("I cannot look this up"), (query, said)
        assert await asked(secrets, own, {}) == "canary of acme", query


@pytest.mark.parametrize("query", ESCAPES)
async def test_h03_postgresql_itself_refuses_the_neighbours_rows(
    secrets: Tenant, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """The second wall alone: were every word allowed, still no row of another's would come, and no file."""
    monkeypatch.setattr(queries, "checked", str)
    monkeypatch.setattr(sql, "TIME_LIMIT", 200)
    said = await asked(secrets, connector(query, template="{word}"), {})
    assert "canary of globex" not in said and "root:" not in said


@pytest.mark.parametrize(
    "query",
    [
        "SELECT number, upper(status) AS status FROM shop_order_test WHERE number = %(number)s -- by (pg_number)",
        "SELECT o.number, 'pg_class('::text AS status FROM shop_order_test AS o WHERE o.number IN (%(number)s)",
        'WITH found AS (SELECT * FROM shop_order_test) SELECT "number", count(*) FILTER (WHERE true) OVER () AS status '
        "FROM found WHERE number = %(number)s ORDER BY 1;",
    ],
)
async def test_it_runs_what_calculates(shop: Tenant, query: str) -> None:
    assert (await asked(shop, connector(query), {"number": "A10001"})).startswith("A10001: ")


async def test_it_may_read_a_table_that_is_new(shop: Tenant) -> None:
    assert await asked(shop, connector(), {"number": "A99999"}) == "No order A99999."
    await database_call(
        shop, execute, shop, "CREATE TABLE later_test AS SELECT 'A1' AS number, 'new' AS status"
    )
    said = await asked(shop, connector("SELECT number, status FROM later_test"), {})
    await database_call(shop, execute, shop, "DROP TABLE later_test")
    assert said == "A1: new"


def test_it_leaves_no_login_behind_when_the_reader_is_dismissed(shop: Tenant) -> None:
    reader.admit(shop)
    reader.dismiss(shop.schema_name)
    with connection.cursor() as cursor:
        cursor.execute(reader.ROLE, [reader.name(shop.schema_name)])
        assert cursor.fetchone() is None
    reader.dismiss(shop.schema_name)


async def test_it_gives_a_slow_query_up(shop: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "TIME_LIMIT", 100)
    endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    said = await asked(shop, connector(endless), {})
    assert said.startswith("I cannot look this up")


@pytest.mark.parametrize(
    "template", ["{no_such_column}", "{", "{0}", "{number.no_such_attribute}", "{number!x}"]
)
async def test_it_says_so_where_the_words_do_not_fit(shop: Tenant, template: str) -> None:
    said = await asked(shop, connector(template=template), {"number": "A10001"})
    assert said.startswith("I cannot look this up")
