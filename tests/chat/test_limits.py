"""What one visitor, address or tenant may use, and that it is their own allowance that they use up."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from chat import limits
from chat.door import Door
from kefu.errors import RateLimited
from tenants.models import Policy, Tenant


@pytest.fixture
def company(services: None) -> Iterator[Tenant]:
    """Not in the database: limits look at a tenant's policy only."""
    name = f"t{uuid.uuid4().hex[:8]}"
    tenant = Tenant(pk=uuid.uuid4().int % 2**31, schema_name=name)
    tenant.policy = Policy(tenant=tenant)
    yield tenant
    assert not limits._open, "every seat is given back"


async def spends(tenant: Tenant, visitor: str, address: str, times: int) -> int:
    """How many of so many messages are let through."""
    allowed = 0
    for _ in range(times):
        try:
            limits.spend_message(tenant, visitor, address)
            allowed += 1
        except RateLimited as error:
            assert error.retry_after and error.retry_after > 0
    return allowed


async def test_it_limits_messages_by_visitor_by_address_and_in_all(company: Tenant) -> None:
    policy = company.policy
    policy.messages_per_minute, policy.address_messages_per_minute = 5, 8
    policy.tenant_messages_per_minute = 10
    assert await spends(company, "vera", "192.0.2.1", 10) == 5
    assert await spends(company, "victor", "192.0.2.1", 10) == 3
    assert await spends(company, "viola", "192.0.2.2", 10) == 2


async def test_it_lets_who_floods_use_up_nothing_but_their_own(company: Tenant) -> None:
    company.policy.messages_per_minute, company.policy.address_messages_per_minute = 5, 10
    await spends(company, "flood", "192.0.2.1", 1000)
    assert await spends(company, "vera", "192.0.2.1", 5) == 5


async def test_it_takes_the_addresses_of_one_network_as_one(company: Tenant) -> None:
    company.policy.address_messages_per_minute = 3
    allowed = [await spends(company, f"v{n}", f"2001:db8::{n}", 1) for n in range(5)]
    assert sum(allowed) == 3
    assert await spends(company, "vera", "2001:db8:0:1::1", 1) == 1


async def test_it_takes_nought_as_no_limit(company: Tenant) -> None:
    policy = company.policy
    policy.messages_per_minute = policy.address_messages_per_minute = policy.tenant_messages_per_minute = 0
    assert await spends(company, "vera", "192.0.2.1", 500) == 500


# --- Open sockets -----------------------------------------------------------------------------------------------------


class Line:
    """A socket's ASGI ends: what the server said on it."""

    def __init__(self, tenant: Tenant, address: str = "192.0.2.1") -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "tenant": tenant,
            "headers": [],
            "client": (address, 1),
        }
        self.said: list[dict[str, Any]] = []
        self.inside, self.leave = asyncio.Event(), asyncio.Event()

    async def app(self, scope: dict[str, Any], receive: object, send: object) -> None:
        self.seat = scope["seat"]
        self.inside.set()
        await self.leave.wait()

    async def send(self, event: dict[str, Any]) -> None:
        self.said.append(event)

    async def open(self) -> asyncio.Task[None]:
        task = asyncio.ensure_future(Door(self.app)(self.scope, None, self.send))
        waiting = asyncio.ensure_future(self.inside.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return task


async def opened(tenant: Tenant, *addresses: str) -> tuple[list[Line], list[asyncio.Task[None]]]:
    lines = [Line(tenant, address) for address in addresses]
    return lines, [await line.open() for line in lines]


async def end(lines: list[Line], tasks: list[asyncio.Task[None]]) -> None:
    for line in lines:
        line.leave.set()
    await asyncio.gather(*tasks)


async def test_it_turns_away_an_addresss_next_socket_with_a_code_and_lets_it_in_once_another_left(
    company: Tenant,
) -> None:
    company.policy.sockets_per_address = 2
    lines, tasks = await opened(company, *["192.0.2.1"] * 3, "192.0.2.2")
    assert [line.inside.is_set() for line in lines] == [True, True, False, True]
    assert [event["type"] for event in lines[2].said] == ["websocket.accept", "websocket.close"]
    assert lines[2].said[1]["code"] == 4029
    await end(lines[:1], tasks[:1])
    again, more = await opened(company, "192.0.2.1")
    assert again[0].inside.is_set()
    await end(lines + again, tasks + more)


async def test_it_limits_a_tenants_sockets_and_leaves_its_neighbours_theirs(company: Tenant) -> None:
    company.policy.sockets_per_tenant = 1
    neighbour = Tenant(pk=company.pk + 1, schema_name="neighbour")
    neighbour.policy = Policy(tenant=neighbour)
    lines, tasks = await opened(company, "192.0.2.1", "192.0.2.2")
    others, more = await opened(neighbour, "192.0.2.2")
    assert [line.inside.is_set() for line in lines + others] == [True, False, True]
    await end(lines + others, tasks + more)


async def test_it_answers_503_where_the_process_is_full(company: Tenant, settings: Any) -> None:
    settings.MAX_SOCKETS, settings.LIMITS = 1, False
    lines, tasks = await opened(company, "192.0.2.1", "192.0.2.2")
    assert lines[1].said[0]["status"] == 503
    assert dict(lines[1].said[0]["headers"])[b"retry-after"] == b"5"
    await end(lines, tasks)


async def test_it_limits_the_sockets_of_one_visitor(company: Tenant) -> None:
    company.policy.sockets_per_visitor = 2
    lines, tasks = await opened(company, *["192.0.2.1"] * 4)
    for line in lines[:2]:
        line.seat.take_as("visitor:vera")
    with pytest.raises(RateLimited):
        lines[2].seat.take_as("visitor:vera")
    lines[3].seat.take_as("visitor:victor")
    await end(lines, tasks)


async def test_it_gives_a_seat_back_however_a_socket_ends(company: Tenant) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a bug")

    line = Line(company)
    with pytest.raises(ValueError, match="a bug"):
        await Door(broken)(line.scope, None, line.send)
    assert not limits._open
