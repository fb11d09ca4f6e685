"""Look-ups read the tenant's own tables, and do nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.utils import translation

from inference import connectors
from inference.connectors import look_up, slots_in
from inference.models import Connector
from tenants.context import database_call, inside
from tenants.models import Tenant

BY_NUMBER = "SELECT number, status, expected FROM shop_order_test WHERE number = %(number)s"
TABLE = """
    CREATE TABLE shop_order_test (number text, status text, expected date);
    INSERT INTO shop_order_test VALUES ('A10001', '运输中', '2026-08-09'), ('O''Hara', '已签收', NULL), ('{}', '在这里', NULL)
"""


def execute(tenant: Tenant, sql: str) -> None:
    with inside(tenant), connection.cursor() as cursor:
        cursor.execute(sql)


def count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM shop_order_test")
        return int(cursor.fetchone()[0])


async def asked(tenant: Tenant, order: Connector, values: dict[str, str]) -> str:
    with translation.override("en"):
        return await look_up(tenant, order, values)


@pytest.fixture
def shop(live_acme: Tenant, live_globex: Tenant) -> Iterator[Tenant]:
    for tenant in (live_acme, live_globex):
        execute(tenant, TABLE.format(tenant.schema_name))
    yield live_acme
    for tenant in (live_acme, live_globex):
        execute(tenant, "DROP TABLE shop_order_test")


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


async def test_it_gives_a_slow_query_up(shop: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectors, "TIME_LIMIT", 100)
    said = await asked(shop, connector("SELECT pg_sleep(60)"), {})
    assert said.startswith("I cannot look this up")


@pytest.mark.parametrize(
    "template", ["{no_such_column}", "{", "{0}", "{number.no_such_attribute}", "{number!x}"]
)
async def test_it_says_so_where_the_words_do_not_fit(shop: Tenant, template: str) -> None:
    said = await asked(shop, connector(template=template), {"number": "A10001"})
    assert said.startswith("I cannot look this up")


def test_it_finds_the_slots_in_a_text() -> None:
    slots = {
        "number": {"pattern": r"[A-Za-z]\d{5}", "ask": "?", "upper": True},
        "phone": {"pattern": r"1\d{10}", "ask": "?"},
    }
    order = Connector(slots=slots)
    assert slots_in(order, "查一下订单 a20231 到哪了") == {"number": "A20231"}
    assert slots_in(order, "没有号") == {}
