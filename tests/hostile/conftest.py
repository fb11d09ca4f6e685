"""A web process of its own, whose memory is watched. It stands behind one proxy, so that a test may come from any address."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

import psutil
import pytest

from tenants.context import inside, outside
from tenants.models import Policy, Tenant
from tests.chat.client import Place, Socket, Visitor, agent_socket
from tests.chat.conftest import login, web_process
from tests.conftest import make_agent
from tests.hostile.cast import CANARY, FAR, Company, company
from tests.hostile.raw import TEXT, Raw, frame

HEAVY = os.environ.get("KEFU_HOSTILE") == "heavy"  # more of everything: minutes instead of seconds
FLAT = 20 * 2**20  # bytes that an attack may cost
# How many there may be is not what is tested here.
ENOUGH = {"messages_per_minute": 0, "sessions_per_hour": 0, "sockets_per_address": 0}


@dataclass(frozen=True)
class Web:
    port: int
    process: psutil.Process

    def lines(self) -> int:
        """How many are connected, whether they speak or not."""
        return sum(
            line.laddr.port == self.port and line.status == psutil.CONN_ESTABLISHED
            for line in self.process.net_connections()
        )

    @contextmanager
    def stays_flat(self, most: int = FLAT) -> Iterator[None]:
        before = self.process.memory_info().rss
        yield
        grown = self.process.memory_info().rss - before
        assert grown < most, f"it grew by {grown / 2**20:.1f} MB"


@pytest.fixture(scope="package")
def web(django_db_setup: None, django_db_blocker: object) -> Iterator[Web]:
    usual = {name: Policy._meta.get_field(name).default for name in ENOUGH}
    with django_db_blocker.unblock(), outside():
        Policy.objects.update(**ENOUGH)
    with mock.patch.dict(os.environ, KEFU_TRUSTED_PROXIES="1"), web_process("hostile") as (port, number):
        yield Web(port, psutil.Process(number))
    with django_db_blocker.unblock(), outside():
        Policy.objects.update(**usual)


@pytest.fixture
def acme_place(web: Web, live_acme: Tenant) -> Place:
    return Place("acme.localhost", web.port)


@pytest.fixture
def globex_place(web: Web, live_globex: Tenant) -> Place:
    return Place("globex.localhost", web.port)


@pytest.fixture
def visitor(acme_place: Place) -> Visitor:
    return Visitor(acme_place)


@pytest.fixture
def bystander(acme_place: Place) -> Iterator[Socket]:
    """Somebody else's socket: whatever is done to the server, it goes on."""
    other = Visitor(acme_place)
    with other.socket() as socket:
        yield socket
        assert other.say(socket, "still here")["type"] == "ack"


@pytest.fixture
def raw(acme_place: Place, visitor: Visitor) -> Iterator[Raw]:
    """A visitor's socket after its hello, on which anything can be sent."""
    with Raw(acme_place) as line:
        greet(line, visitor)
        yield line


def greet(line: Raw, visitor: Visitor) -> None:
    assert "101" in line.shake_hands().split("\r\n")[0]
    line.send(frame(TEXT, json.dumps({"type": "hello", "token": visitor.token}).encode()))
    _opcode, welcome = line.next()
    assert json.loads(welcome)["type"] == "welcome"


@pytest.fixture
def console(globex_place: Place, acme_place: Place) -> Iterator[Callable[[Tenant, str], Socket]]:
    """`console(acme, "Ann")` is the console of the agent of that name, after its hello."""
    places = {"acme": acme_place, "globex": globex_place}
    opened: list[Socket] = []

    def opens(tenant: Tenant, name: str) -> Socket:
        opened.append(agent_socket(places[tenant.schema_name], key_of_agent(tenant, name)))
        return opened[-1]

    yield opens
    for socket in opened:
        socket.line.close()


@cache
def key_of_agent(tenant: Tenant, name: str) -> str:
    """The session key of a login that is made when a file first asks for it."""
    with inside(tenant):
        return login(tenant, make_agent(name))


@pytest.fixture(scope="module", autouse=True)
def _no_logins() -> None:
    """Those of the file before are gone."""
    key_of_agent.cache_clear()


@pytest.fixture(scope="module")
def companies(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Company, Company]]:
    with django_db_blocker.unblock():
        tenants = {t.schema_name: t for t in Tenant.objects.select_related("policy")}
        with company(tenants["acme"], "acmes") as acme, company(tenants["globex"], CANARY, FAR) as globex:
            yield acme, globex
