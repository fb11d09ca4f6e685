"""H41, H53 over HTTP: requests without end, without haste, and with more than anybody may send."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from kefu import bodies
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Place
from tests.conftest import make_agent
from tests.hostile.conftest import HEAVY, Web
from tests.hostile.raw import Raw

pytestmark = pytest.mark.product

PAGES = ["/api/v1/visitor/sessions", "/console/login/", "/nowhere", "/admin/login/", bodies.UPLOADS]
ENDLESS = 2_000_000_000 if HEAVY else 200_000_000


def ask(place: Place, path: str, *headers: str) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {place.host}:{place.port}",
        "Content-Type: application/json",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("path", PAGES)
def test_h41_a_body_that_is_declared_too_long_is_refused_before_it_comes(
    acme_place: Place, path: str
) -> None:
    with Raw(acme_place) as line:
        line.send(ask(acme_place, path, f"Content-Length: {10 * bodies.MIB}"))
        assert line.http_head().split()[1] == "413"


@pytest.mark.parametrize("path", PAGES)
def test_h41_a_body_without_end_is_cut_off_at_the_limit(web: Web, acme_place: Place, path: str) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with web.stays_flat(), Raw(acme_place) as line:
        line.send(ask(acme_place, path, "Transfer-Encoding: chunked"))
        sent = line.pour(repeat(piece, ENDLESS // len(piece)))
        assert line.http_head().split()[1] == "413"
    assert sent < ENDLESS // 4


def test_h41_the_api_says_so_in_its_own_way(acme_place: Place) -> None:
    with Raw(acme_place) as line:
        line.send(ask(acme_place, PAGES[0], f"Content-Length: {10 * bodies.MIB}"))
        assert "content-type: application/problem+json" in line.http_head()
        assert line.hangs_up()
        assert b'"code": "too_long"' in line.got


def test_h41_only_who_may_add_documents_may_send_one(
    acme_place: Place, globex_place: Place, live_acme: Tenant, live_globex: Tenant
) -> None:
    size = bodies.FORM + bodies.MIB
    with inside(live_acme):
        staff = User.objects.create_user(uuid.uuid4().hex, is_staff=True)
    with inside(live_globex):
        neighbour = User.objects.create_user(uuid.uuid4().hex, is_staff=True)
    keys = {
        "nobody": "",
        "a stranger": "a" * 32,
        "an agent": key_of(live_acme, make_agent_of(live_acme)),
        "the neighbour's staff": key_of(live_globex, neighbour),
    }
    for who, key in keys.items():
        assert upload(acme_place, key, size) == 413, who
    assert (
        upload(acme_place, key_of(live_acme, staff), size) == 403
    )  # read to its end: it lacks the form's token
    assert upload(acme_place, key_of(live_acme, staff), bodies.DOCUMENTS + 1, sends=False) == 413
    assert upload(globex_place, key_of(live_globex, neighbour), size) == 403


def make_agent_of(tenant: Tenant) -> User:
    with inside(tenant):
        return make_agent("Ann").user


def key_of(tenant: Tenant, user: User) -> str:
    client = Client()
    with inside(tenant):
        client.force_login(user)
    return client.cookies["sessionid"].value


def upload(place: Place, key: str, size: int, *, sends: bool = True) -> int:
    """The answer's status."""
    with Raw(place) as line:
        line.send(ask(place, bodies.UPLOADS, f"Content-Length: {size}", f"Cookie: sessionid={key}"))
        if sends:
            line.pour(repeat(b"x" * 65536, size // 65536))
        return int(line.http_head().split()[1])


# --- Heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"x" * 1000),
        (b"GET / HTTP/1.1\r\nX: ", b"x" * 1000),
        (b"GET / HTTP/1.1\r\n", b"X: x\r\n" * 100),
        (b"GET / HTTP/1.1\r\n", b"X" * 1000),
        (b"", b"\r\n" * 500),
    ],
    ids=["address", "value", "headers", "name", "empty lines"],
)
def test_h53_a_head_without_end_is_given_up(web: Web, acme_place: Place, start: bytes, more: bytes) -> None:
    with web.stays_flat(), Raw(acme_place) as line:
        line.send(start)
        sent = line.pour(repeat(more, ENDLESS // 1000))
        assert line.hangs_up()
    assert sent < 10 * bodies.MIB


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: -1",),
        ("Content-Length: 3x",),
        ("Transfer-Encoding: chunked, identity",),
    ],
    ids=", ".join,
)
def test_h53_a_request_that_two_may_read_differently_is_refused(
    acme_place: Place, headers: tuple[str, ...]
) -> None:
    with Raw(acme_place) as line:
        line.send(ask(acme_place, PAGES[0], *headers) + b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert line.http_head().split()[1] == "400"
        assert line.hangs_up()


# --- Slowness ---------------------------------------------------------------------------------------------------------


async def body_of(pieces: int, pause: float) -> list[Any]:
    """What an application behind `Bodies` says to a body of so many single bytes; [size] where it could read it all."""
    said: list[Any] = []
    left = pieces

    async def receive() -> dict[str, Any]:
        nonlocal left
        await asyncio.sleep(pause)
        left -= 1
        return {"type": "http.request", "body": b"x", "more_body": left > 0}

    async def send(event: dict[str, Any]) -> None:
        said.append(event.get("status"))

    async def app(_scope: object, receive: Callable[[], Awaitable[dict[str, Any]]], _send: object) -> None:
        while (await receive())["more_body"]:
            pass
        said.append("all of it")

    await bodies.Bodies(app)({"path": "/nowhere", "headers": []}, receive, send)
    return said


async def test_h53_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE", 0.1)
    assert (await body_of(pieces=1_000_000, pause=0.01))[0] == 408


async def test_h53_a_body_that_comes_fast_enough_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE", 0.1)
    monkeypatch.setattr(bodies, "BYTES_A_SECOND", 1)
    assert await body_of(pieces=50, pause=0.01) == ["all of it"]
