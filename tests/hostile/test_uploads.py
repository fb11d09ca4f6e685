"""H04, H06, H27, H39, H41: files that are not what they seem, too many, too slow, or somebody else's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import pytest

from chat.models import Attachment
from kefu import bodies
from tenants import actions
from tenants.context import inside, outside
from tenants.models import Policy, Tenant
from tests.chat.client import Place, Visitor
from tests.chat.conftest import login
from tests.chat.files import (
    PDF,
    Answer,
    address_of,
    agents,
    archive,
    ask,
    disposition,
    docx,
    gif,
    png,
    stored,
    upload,
)
from tests.conftest import make_agent
from tests.hostile.conftest import HEAVY, Web
from tests.hostile.raw import Raw
from tests.product import wait_until

pytestmark = pytest.mark.product


@pytest.fixture
def policy(live_acme: Tenant, acme_place: Place) -> Iterator[Callable[..., None]]:
    """`policy(upload_mb=1)` is in force when it returns; afterwards all is as it was."""
    names = [
        name for name in (field.name for field in Policy._meta.fields) if "upload" in name or "file" in name
    ]
    usual = {name: getattr(live_acme.policy, name) for name in names}

    def decide(**fields: Any) -> None:
        with outside():
            Policy.objects.filter(tenant=live_acme).update(**fields)
        actions.touch(live_acme)
        wait_until(lambda: _tells(acme_place, **fields), 10)

    yield decide
    decide(**usual)


def _tells(place: Place, *, uploads: bool = True, upload_mb: int = 10, **_more: int) -> bool:
    """Whether the web process has read the policy again: it is told to pages."""
    told = Visitor(place).session["policy"]["uploads"]
    return (
        bool(told["max_bytes"] == upload_mb * bodies.MIB)
        if uploads and told
        else told is None and not uploads
    )


def rows(visitor: Visitor, tenant: Tenant) -> int:
    with inside(tenant):
        return Attachment.objects.filter(conversation=visitor.conversation).count()


def leaves_nothing(visitor: Visitor, tenant: Tenant) -> bool:
    return rows(visitor, tenant) == 0 and stored(tenant, visitor.conversation) == []


def sent(visitor: Visitor, data: bytes = b"", name: str = "a.png") -> str:
    """The id of a file in a message of the visitor's."""
    id: str = upload(visitor, data or png(), name).json["id"]
    path = f"/api/v1/conversations/{visitor.conversation}/messages"
    body = {"id": uuid.uuid4().hex, "attachments": [id]}
    assert visitor.place.request("POST", path, body, **visitor.credentials)[0] == 200
    return id


# --- Whose ------------------------------------------------------------------------------------------------------------


def test_h04_h06_nobody_else_gets_a_file(
    visitor: Visitor, acme_place: Place, globex_place: Place, live_acme: Tenant, live_globex: Tenant
) -> None:
    id = sent(visitor)
    other, neighbour = Visitor(acme_place), Visitor(globex_place)
    with inside(live_globex):
        gus = agents(globex_place, login(live_globex, make_agent("Gus")))
    theirs = sent(other)
    path = address_of(visitor.conversation, id)
    assert ask(acme_place, "GET", path, **visitor.credentials).status == 200
    refused = {
        "nobody": ask(acme_place, "GET", path),
        "a made-up token": ask(acme_place, "GET", path, Authorization="Bearer nonsense"),
        "a token in the address": ask(acme_place, "GET", f"{path}?token={visitor.token}"),
        "another visitor": ask(acme_place, "GET", path, **other.credentials),
        "another visitor, by their own conversation": ask(
            acme_place, "GET", address_of(other.conversation, id), **other.credentials
        ),
        "oneself, somebody else's file": ask(
            acme_place, "GET", address_of(visitor.conversation, theirs), **visitor.credentials
        ),
        "a neighbour's visitor": ask(acme_place, "GET", path, **neighbour.credentials),
        "on the neighbour's host": ask(globex_place, "GET", path, **visitor.credentials),
        "the neighbour's agent": ask(globex_place, "GET", path, **gus),
        "the neighbour's agent on our host": ask(acme_place, "GET", path, **gus),
    }
    assert {who: answer.status for who, answer in refused.items() if answer.status not in (401, 404)} == {}
    assert all(png() not in answer.body for answer in refused.values())
    unknown = ask(acme_place, "GET", address_of(other.conversation, uuid.uuid4()), **other.credentials)
    assert unknown.json == refused["another visitor, by their own conversation"].json


def test_h41_nobody_else_may_send_one(
    visitor: Visitor, acme_place: Place, globex_place: Place, live_acme: Tenant, live_globex: Tenant
) -> None:
    other, neighbour = Visitor(acme_place), Visitor(globex_place)
    with inside(live_acme):
        key = login(live_acme, make_agent("Ann"))
    to, named = address_of(visitor.conversation), disposition("a.png")
    refused = {
        "nobody": ask(acme_place, "POST", to, png(), **named),
        "another visitor": ask(acme_place, "POST", to, png(), **named, **other.credentials),
        "a neighbour's visitor": ask(acme_place, "POST", to, png(), **named, **neighbour.credentials),
        "an agent who has not taken over": ask(
            acme_place, "POST", to, png(), **named, **agents(acme_place, key)
        ),
        "an agent's browser on another page": ask(
            acme_place, "POST", to, png(), **named, Cookie=f"sessionid={key}", Origin="https://evil.example"
        ),
        "an agent's browser on no page": ask(
            acme_place, "POST", to, png(), **named, Cookie=f"sessionid={key}"
        ),
        "a sandboxed page": ask(
            acme_place, "POST", to, png(), **named, Cookie=f"sessionid={key}", Origin="null"
        ),
    }
    assert {who: answer.status for who, answer in refused.items()} == {
        "nobody": 403,
        "another visitor": 404,
        "a neighbour's visitor": 401,
        "an agent who has not taken over": 409,
        "an agent's browser on another page": 403,
        "an agent's browser on no page": 403,
        "a sandboxed page": 403,
    }
    assert leaves_nothing(visitor, live_acme)


def test_h06_a_message_takes_no_file_but_its_senders_own_unused_ones(
    visitor: Visitor, live_acme: Tenant
) -> None:
    other = Visitor(visitor.place)
    used, theirs, mine = sent(visitor), upload(other, png()).json["id"], upload(visitor, png()).json["id"]
    with visitor.socket() as tab:
        before = visitor.history()[1]
        for wrong in ([used], [theirs], [str(uuid.uuid4())], [mine, theirs], [mine, used]):
            error = tab.ask("message.send", conversation=visitor.conversation, text="look", attachments=wrong)
            assert (error["type"], error["code"]) == ("error", "not_found"), wrong
        assert visitor.history()[1] == before
        ack = tab.ask("message.send", conversation=visitor.conversation, attachments=[mine, mine])
        assert tab.expect("message", seq=ack["seq"])["attachments"][0]["id"] == mine
    with inside(live_acme):
        assert Attachment.objects.get(pk=theirs).message is None


# --- What -------------------------------------------------------------------------------------------------------------

ACTIVE = b"<script>alert(document.domain)</script>"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("a.html", ACTIVE),
        ("a.png", ACTIVE),
        ("a.html", png() + ACTIVE),
        ("a.svg", gif() + ACTIVE),
        ("a.exe", b"MZ" + bytes(500)),
        ("a.png", b"MZ" + bytes(500)),
        ("a.zip", archive()),
        ("a.docx", archive()),
        ("a.png", png(30_000, 30_000)),
        ("a.xhtml", ACTIVE),
        ("a.pdf", ACTIVE),
    ],
)
def test_h27_h39_h41_what_is_not_allowed_or_not_what_it_says_is_refused(
    visitor: Visitor, live_acme: Tenant, name: str, data: bytes
) -> None:
    answer = upload(visitor, data, name, **{"Content-Type": "image/png"})
    assert (answer.status, answer.json["code"]) == (422, "blocked")
    assert leaves_nothing(visitor, live_acme)


@pytest.mark.parametrize(
    ("name", "data", "type"),
    [
        ("a.gif", gif() + ACTIVE, "image/gif"),
        ("a.png", png() + ACTIVE, "image/png"),
        ("a.pdf", PDF + ACTIVE, "application/pdf"),
        ("a.txt", ACTIVE, "text/plain"),
        (
            "a.docx",
            docx() + ACTIVE,
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
def test_h27_what_is_two_things_at_once_comes_back_as_the_harmless_one(
    visitor: Visitor, name: str, data: bytes, type: str
) -> None:
    id = sent(visitor, data, name)
    got = ask(visitor.place, "GET", address_of(visitor.conversation, id), **visitor.credentials)
    assert (got.headers["Content-Type"], got.body) == (type, data)
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"].startswith("sandbox;")
    assert got.headers["Content-Disposition"].startswith(
        "inline" if type.startswith("image/") else "attachment"
    )


@pytest.mark.parametrize(
    "name", ["../../../../tmp/a.png", "..%2f..%2fa.png", "/etc/a.png", "a\r\nX-Evil: 1.png", "\u202egnp.png"]
)
def test_h26_a_name_leads_nowhere_and_breaks_no_header(
    visitor: Visitor, live_acme: Tenant, name: str
) -> None:
    answer = upload(visitor, png(), name)
    assert answer.status == 201
    assert not set("/\\\r\n\u202e") & set(answer.json["name"])
    (file,) = stored(live_acme, visitor.conversation)
    assert file.parent.name == visitor.conversation
    assert name not in file.name


# --- How much ---------------------------------------------------------------------------------------------------------


def test_h41_a_file_that_is_too_large_is_refused_before_it_comes(visitor: Visitor, live_acme: Tenant) -> None:
    for size in (10 * bodies.MIB + 1, 21 * bodies.MIB):
        with Raw(visitor.place) as line:
            line.send(_head(visitor, f"Content-Length: {size}"))
            assert line.http_head().split()[1] == "413"
    assert leaves_nothing(visitor, live_acme)


def test_h41_a_file_without_a_length_or_without_end_is_not_taken(
    visitor: Visitor, web: Web, live_acme: Tenant
) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with web.stays_flat(), Raw(visitor.place) as line:
        line.send(_head(visitor, "Transfer-Encoding: chunked"))
        line.pour(repeat(piece, 1000))
        assert line.http_head().split()[1] == "400"
    assert upload(visitor, b"").status == 400
    assert leaves_nothing(visitor, live_acme)


def test_h41_memory_is_flat_however_large_the_files(visitor: Visitor, web: Web) -> None:
    files = 30 if HEAVY else 6
    with web.stays_flat(), ThreadPoolExecutor(files) as pool:
        data = png() + bytes(9 * bodies.MIB)
        statuses = [answer.status for answer in pool.map(lambda _n: upload(visitor, data), range(files))]
    assert statuses == [201] * files


def test_h41_the_day_s_bytes_are_exact_whatever_comes_at_once(
    visitor: Visitor, live_acme: Tenant, policy: Callable[..., None]
) -> None:
    policy(upload_mb=1, upload_mb_per_day=3, uploads_per_minute=0)
    data = png() + bytes(bodies.MIB // 4 - len(png()))

    def one(_n: int) -> Answer:
        return upload(visitor, data)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(one, range(50)))
    statuses = [answer.status for answer in answers]
    assert (statuses.count(201), statuses.count(429)) == (12, 38)
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.json["code"] == "rate_limited" and refused.json["retry_after"] > 0
    assert sum(path.stat().st_size for path in stored(live_acme, visitor.conversation)) == 3 * bodies.MIB
    assert rows(visitor, live_acme) == 12
    assert (
        upload(Visitor(visitor.place), data).status == 201
    )  # it is this visitor's allowance that is used up


def test_h41_files_a_minute_are_exact_and_flooding_uses_up_ones_own(
    visitor: Visitor, policy: Callable[..., None]
) -> None:
    policy(upload_mb=1, uploads_per_minute=5)
    with ThreadPoolExecutor(20) as pool:
        statuses = [answer.status for answer in pool.map(lambda _n: upload(visitor, png()), range(60))]
    assert statuses.count(201) == 5
    assert statuses.count(429) == 55
    assert upload(Visitor(visitor.place), png()).status == 201


def test_h41_where_no_files_are_taken_none_is(
    visitor: Visitor, live_acme: Tenant, policy: Callable[..., None]
) -> None:
    policy(uploads=False)
    assert upload(visitor, png()).json["code"] == "forbidden"
    assert leaves_nothing(visitor, live_acme)


# --- How slowly -------------------------------------------------------------------------------------------------------


def _head(visitor: Visitor, *headers: str) -> bytes:
    lines = (
        f"POST {address_of(visitor.conversation)} HTTP/1.1",
        f"Host: {visitor.place.host}:{visitor.place.port}",
        f"Authorization: Bearer {visitor.token}",
        "Content-Disposition: attachment; filename=a.png",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_h53_what_breaks_off_leaves_nothing_and_gives_the_allowance_back(
    visitor: Visitor, live_acme: Tenant, policy: Callable[..., None]
) -> None:
    policy(upload_mb=1, upload_mb_per_day=1)
    size = bodies.MIB * 3 // 4  # which the day allows once
    with Raw(visitor.place) as line:
        line.send(_head(visitor, f"Content-Length: {size}") + png()[:20])
        wait_until(lambda: _incoming(live_acme))
    wait_until(lambda: not _incoming(live_acme))
    assert leaves_nothing(visitor, live_acme)
    data = png() + bytes(size - len(png()))
    wait_until(lambda: upload(visitor, data).status == 201)
    assert upload(visitor, data).status == 429


def _incoming(tenant: Tenant) -> list[object]:
    return [path for path in stored(tenant) if path.parent.name == "incoming"]


def test_h53_slow_uploads_leave_everybody_else_alone(
    visitor: Visitor, live_acme: Tenant, acme_place: Place
) -> None:
    """More of them than the database has connections: none of them holds one."""
    lines = [Raw(acme_place, address=f"127.0.7.{number + 1}") for number in range(40)]
    try:
        for line in lines:
            line.send(_head(Visitor(acme_place), f"Content-Length: {bodies.MIB}") + png()[:20])
        wait_until(lambda: len(_incoming(live_acme)) == 40)
        assert visitor.post("hello", "1")[0] == 200
        assert visitor.history()[0] == 200
        assert upload(visitor, png()).status == 201
    finally:
        for line in lines:
            line.line.close()
    wait_until(lambda: not _incoming(live_acme))
