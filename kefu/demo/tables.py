"""The demo companies' own business tables, which Kefu only reads: as plain tables in their schema, not as models of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection, transaction
from django.utils import timezone

from kefu.demo import content


@dataclass(frozen=True)
class Table:
    name: str
    file: str
    columns: dict[str, str]  # column: SQL type
    days: dict[str, tuple[str, int]]  # date column: (column of the file with days from today, sign)


TABLES = {
    "acme": (
        Table(
            "shop_order",
            "orders",
            {
                "order_number": "text PRIMARY KEY",
                "product": "text",
                "status": "text",
                "carrier": "text",
                "tracking_number": "text",
                "shipped_on": "date",
                "expected_on": "date",
                "customer": "text",
            },
            {"shipped_on": ("shipped_days_ago", -1), "expected_on": ("expected_in_days", 1)},
        ),
        Table(
            "shop_refund",
            "refunds",
            {
                "refund_number": "text PRIMARY KEY",
                "order_number": "text",
                "amount": "numeric(10, 2)",
                "status": "text",
                "requested_on": "date",
                "customer": "text",
            },
            {"requested_on": ("requested_days_ago", -1)},
        ),
    ),
    "globex": (
        Table(
            "telecom_account",
            "accounts",
            {
                "account_number": "text PRIMARY KEY",
                "plan": "text",
                "data_left_gb": "numeric(10, 1)",
                "minutes_left": "integer",
                "balance": "numeric(10, 2)",
                "renews_on": "date",
                "customer": "text",
            },
            {"renews_on": ("renews_in_days", 1)},
        ),
    ),
}


@transaction.atomic
def fill(company: str) -> None:
    """Writes the tables anew, dates counted from today, so that the demo is never stale. Inside the company's schema."""
    for table in TABLES[company]:
        columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
        names = ", ".join(table.columns)
        marks = ", ".join(["%s"] * len(table.columns))
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table.name} ({columns})")
            # A demo that is older than its customers
            cursor.execute(f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS customer text")
            cursor.execute(f"TRUNCATE {table.name}")
            cursor.executemany(
                f"INSERT INTO {table.name} ({names}) VALUES ({marks})",
                [
                    [_value(table, name, row) for name in table.columns]
                    for row in content.rows(company, table.file)
                ],
            )


def numbers_of(company: str, customer: str, most: int = 2) -> list[str]:
    """Of a customer's orders, refunds or accounts: something to ask about."""
    found: list[str] = []
    for table in TABLES[company]:
        rows = [row for row in content.rows(company, table.file) if row["customer"] == customer]
        found += [next(iter(row.values())) for row in rows[:most]]
    return found


def _value(table: Table, column: str, row: dict[str, str]) -> str | date | None:
    if column not in table.days:
        return row[column] or None
    source, sign = table.days[column]
    return timezone.localdate() + timedelta(days=sign * int(row[source])) if row[source] else None
