"""What is in the database, read by nothing of the product's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.faults.evidence import CANARIES, Rows

QUERIES = {
    "conversations": "SELECT %(t)s AS tenant, id::text, last_seq FROM {schema}.chat_conversation",
    "messages": """
        SELECT %(t)s AS tenant, conversation_id::text AS conversation, seq, id::text, client_id, sender_kind AS kind,
            extract(epoch FROM created_at)::float - %(began)s AS at, text, coalesce((path->>'through')::int, 0) AS through
        FROM {schema}.chat_message ORDER BY conversation_id, seq
    """,
    "pending": "SELECT %(t)s AS tenant, conversation_id::text AS conversation FROM {schema}.chat_pendingturn",
}


PLAIN = {
    "conversations": "SELECT %(t)s AS tenant, id::text, last_seq FROM plain_conversation",
    "messages": """
        SELECT %(t)s AS tenant, conversation_id::text AS conversation, seq, id::text, client_id, sender AS kind,
            extract(epoch FROM created_at)::float - %(began)s AS at, text, 0 AS through
        FROM plain_message ORDER BY conversation_id, seq
    """,
    "pending": "SELECT %(t)s AS tenant, '' AS conversation WHERE false",
}


async def rows_of(
    database_url: str,
    began: float,
    queries: dict[str, str] = QUERIES,
    tenants: Iterable[str] = tuple(CANARIES),
) -> Rows:
    """At one moment. `began` is what times in them are counted from."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in queries}
    async with await psycopg.AsyncConnection.connect(database_url, row_factory=dict_row) as line:
        await line.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        for tenant in tenants:
            for name, query in queries.items():
                cursor = await line.execute(
                    sql.SQL(query).format(schema=sql.Identifier(tenant)), {"t": tenant, "began": began}
                )
                found[name] += await cursor.fetchall()
    return found
