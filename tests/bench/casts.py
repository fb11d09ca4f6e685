"""The people of several tenants at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.bench.plan import Plan
from tests.bench.stage import People, host_of


def plan_of(casts: dict[str, People], port: int, **fields: Any) -> Plan:
    """Everybody in `casts`, which are given by schema, on one server."""
    hosts = {
        conversation: host_of(schema)
        for schema, cast in casts.items()
        for _token, conversation in cast.visitors
    }
    visitors = [*in_turn([cast.visitors for cast in casts.values()])]
    agents = [agent for cast in casts.values() for agent in cast.agents]
    return Plan("", port, visitors=visitors, agents=agents, hosts=hosts, **fields)


def in_turn(groups: Sequence[Sequence[Any]]) -> Iterator[Any]:
    """One of each, as long as there are any: those who talk one after the other are of different tenants."""
    for n in range(max(map(len, groups))):
        yield from (group[n] for group in groups if n < len(group))


def messages_of(schemas: Iterable[str]) -> str:
    """All their messages, as what a query may select from."""
    tables = " UNION ALL ".join(f"SELECT * FROM {schema}.chat_message" for schema in schemas)
    return f"({tables}) AS messages"
