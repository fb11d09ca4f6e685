"""Look-ups over HTTP and MCP: real servers on loopback, which the operator allows, and every way in which they may fail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.utils import translation
from pytest_django import Settings

from inference import breaker, connectors
from inference.connectors import Outcome, Result
from inference.look_ups import mcp
from inference.models import Connector
from tenants import outbound
from tests.inference.turns import company, wake_everything
from tests.mcp_server import McpServer
from tests.receiver import Receiver

SECRET = "canary-of-the-secret"
SORRY = "I cannot look this up"
SHOP = '{"orders": [{"number": "A1", "status": "shipped", "owner": "vera", "amount": 2399.00, "on": "2026-11-02T08:00:00Z"}]}'
COLUMNS = {name: f"orders.0.{name}" for name in ("number", "status", "owner", "amount", "on")}


@pytest.fixture(autouse=True)
def nothing_rests(services: None) -> None:
    wake_everything()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with Receiver(f"json:{SHOP}") as receiver:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{receiver.port}"}
        yield receiver


@pytest.fixture(scope="module")
def running() -> Iterator[McpServer]:
    with McpServer() as server:
        yield server


@pytest.fixture
def server(running: McpServer, settings: Settings) -> McpServer:
    settings.OUTBOUND_ALLOW = {f"127.0.0.1:{running.port}"}
    running.calls.clear()
    running.headers.clear()
    return running


def over_http(receiver: Receiver, path: str = "/orders/{number}", **fields: object) -> Connector:
    known = {
        "columns": COLUMNS,
        "template": "{number} is {status}: {amount}, since {on}",
        "nothing_found": "No {number}.",
    }
    url = f"http://127.0.0.1:{receiver.port}{path}"
    return Connector(**{"name": "order", "kind": "http", "url": url, "secret": SECRET, **known, **fields})


def over_mcp(server: McpServer, tool: str = "order", **fields: object) -> Connector:
    known = {
        "body": {"number": "{number}"},
        "columns": {name: f"order.{name}" for name in ("status", "amount", "owner")},
        "template": "{number} is {status}: {amount}",
        "nothing_found": "No {number}.",
    }
    return Connector(
        **{
            "name": "order",
            "kind": "mcp",
            "url": server.url,
            "tool": tool,
            "secret": SECRET,
            **known,
            **fields,
        }
    )


async def asked(connector: Connector, number: str = "A1", visitor: str = "") -> Outcome:
    with translation.override("en"):
        return await connectors.look_up(company(), connector, {"number": number}, visitor)


# --- HTTP -------------------------------------------------------------------------------------------------------------


async def test_it_words_what_a_web_service_replies(receiver: Receiver) -> None:
    outcome = await asked(over_http(receiver, headers={"X-Shop": "acme"}))
    assert (outcome.result, outcome.text) == (Result.FOUND, "A1 is shipped: 2399.00, since 11/2")
    request = receiver.requests[0]
    assert (request.method, request.path, request.body) == ("GET", "/orders/A1", b"")
    assert (request.headers["authorization"], request.headers["x-shop"]) == (SECRET, "acme")


async def test_it_posts_a_body_in_which_a_value_stays_a_value(receiver: Receiver) -> None:
    body = {"query": {"number": "{number}", "exact": True}, "limit": 1}
    await asked(over_http(receiver, "/find", method="POST", body=body), '", "limit": 99, "x": "')
    request = receiver.requests[0]
    assert json.loads(request.body) == {
        "query": {"number": '", "limit": 99, "x": "', "exact": True},
        "limit": 1,
    }
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "number",
    ["../admin", "a/b", "x?all=1", "x#y", "%2e%2e", "x y", "单号", "x\r\nHost: evil", "{number.__class__}"],
)
async def test_it_lets_no_value_leave_its_place_in_the_address(receiver: Receiver, number: str) -> None:
    await asked(over_http(receiver, "/orders/{number}?shop=1"), number)
    path, _mark, query = receiver.requests[0].path.partition("?")
    assert path.count("/") == 2 and path.startswith("/orders/") and query == "shop=1"


@pytest.mark.parametrize("number", ["..", ".", ""])
async def test_it_asks_for_no_folder_above(receiver: Receiver, number: str) -> None:
    assert (await asked(over_http(receiver, "/orders/{number}/detail"), number)).result == Result.FAILED
    assert receiver.requests == []


async def test_it_lets_no_value_choose_the_server(receiver: Receiver) -> None:
    with Receiver() as other:
        outcome = await asked(over_http(receiver, url="http://{number}/x"), f"127.0.0.1:{other.port}")
        assert outcome.result == Result.FAILED and other.requests == [] and receiver.requests == []


@pytest.mark.parametrize(
    "reply", ["404", "json:{}", 'json:{"orders": []}', "json:null", "json:[1]", 'json:{"orders": {"0": 1}}']
)
async def test_it_says_that_there_is_nothing(receiver: Receiver, reply: str) -> None:
    receiver.script = [reply]
    outcome = await asked(over_http(receiver))
    assert (outcome.result, outcome.text) == (Result.NOTHING, "No A1.")


@pytest.mark.parametrize(
    ("word", "why"),
    [("500", "answered 500"), ("401", "answered 401"), ("200", "not JSON"), ("deep", "not JSON"), ("packed", "packed"),
     ("endless", "more than 256 KiB"), ("hang up", "RemoteProtocolError"), ("nonsense", "RemoteProtocolError"),
     ("stall", "No answer"), ("drip", "No answer")],
)  # fmt: skip
async def test_it_says_that_it_cannot_look_it_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, word: str, why: str
) -> None:
    monkeypatch.setattr(connectors, "SECONDS", 0.7 if why == "No answer" else 10)
    receiver.script = [word]
    outcome = await asked(over_http(receiver))
    assert outcome.result == Result.FAILED and outcome.text.startswith(SORRY)
    assert why in outcome.error and SECRET not in outcome.error
    assert outcome.ms < 5000 or why != "No answer"


async def test_it_follows_no_redirect_and_takes_the_secret_nowhere(receiver: Receiver) -> None:
    with Receiver() as inner:
        receiver.script = [f"redirect:{inner.url}"]
        assert (await asked(over_http(receiver))).error == "The server answered 302."
        assert inner.requests == []


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://169.254.169.254/latest/meta-data/",
     "http://0x7f.1:{port}/", "http://100.100.100.200/", "file:///etc/passwd", "gopher://x/", "http://user:word@127.0.0.1/",
     "http://x.example:25/", ""],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "mcp"])
async def test_h34_it_asks_nothing_inside_the_network(address: str, kind: str) -> None:
    with Receiver("json:{}") as inner:
        url = address.replace("{port}", str(inner.port))
        outcome = await asked(Connector(name="inner", kind=kind, url=url, tool="t", template="x"))
        assert outcome.result == Result.FAILED and inner.requests == []


@pytest.mark.parametrize("kind", ["http", "mcp"])
async def test_h34_it_is_not_deceived_by_a_name_that_moves(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Public when it is judged, inside when it is asked: what was judged is where it connects."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return answers.pop(0) if answers else ["127.0.0.1"]

    monkeypatch.setattr(outbound, "resolve", resolve)
    monkeypatch.setattr(connectors, "SECONDS", 1.0)
    url = f"http://moving.example:{receiver.port}/"
    outcome = await asked(Connector(name="moving", kind=kind, url=url, tool="t", template="x"))
    assert outcome.result == Result.FAILED and receiver.requests == [] and looked_up


@pytest.mark.parametrize(
    "template", ["{nothing}", "{number.__class__}", "{number!r}", "{number:>999999999}", "{0}", "{"]
)
@pytest.mark.parametrize("field", ["template", "url", "headers"])
async def test_it_fills_plain_names_only(receiver: Receiver, template: str, field: str) -> None:
    url = f"http://127.0.0.1:{receiver.port}/{template}"
    value = {"template": template, "url": url, "headers": {"X-A": template}}[field]
    outcome = await asked(over_http(receiver, **{field: value}))
    assert outcome.result == Result.FAILED and outcome.text.startswith(SORRY)


async def test_it_puts_what_a_system_replies_into_words_without_filling_it_again(receiver: Receiver) -> None:
    receiver.script = ['json:{"orders": [{"status": "{number} {secret} {0.__class__}"}]}']
    assert (
        await asked(over_http(receiver, template="It is {status}"))
    ).text == "It is {number} {secret} {0.__class__}"


# --- MCP --------------------------------------------------------------------------------------------------------------


async def test_it_words_what_a_tool_returns(server: McpServer) -> None:
    outcome = await asked(over_mcp(server), "A10001")
    assert (outcome.result, outcome.text) == (Result.FOUND, "A10001 is shipped: 2399.0")
    assert server.calls == [("order", {"number": "A10001"})]
    assert {headers["authorization"] for headers in server.headers} == {SECRET}
    assert (await asked(over_mcp(server), "A9")).text == "No A9."


async def test_it_takes_a_tools_text_where_there_is_no_structure(server: McpServer) -> None:
    hours = over_mcp(
        server, "hours", body={"day": "{number}"}, columns={"text": "result"}, template="{text}."
    )
    assert (await asked(hours, "Monday")).text == "On Monday from 9 to 18."


async def test_it_lists_the_tools_of_a_server(server: McpServer) -> None:
    listed = {tool.name: tool for tool in await mcp.tools(over_mcp(server))}
    assert (
        listed["order"].arguments == ("number",) and listed["order"].description == "An order of the shop's."
    )


@pytest.mark.parametrize(
    ("tool", "why"),
    [("broken", "the till is shut"), ("nosuch", "Unknown tool"), ("order", "Field required"), ("huge", "more than 256 KiB"),
     ("slow", "No answer")],
)  # fmt: skip
async def test_it_says_that_a_tool_fails(
    server: McpServer, monkeypatch: pytest.MonkeyPatch, tool: str, why: str
) -> None:
    monkeypatch.setattr(connectors, "SECONDS", 1.5)
    outcome = await asked(over_mcp(server, tool, body={}))
    assert outcome.result == Result.FAILED and outcome.text.startswith(SORRY)
    assert why in outcome.error and SECRET not in outcome.error


@pytest.mark.parametrize(
    "word",
    [
        "500",
        "401",
        "200",
        "json:{}",
        "json:[]",
        "deep",
        "packed",
        "endless",
        "hang up",
        "nonsense",
        "stall",
        "drip",
    ],
)
async def test_it_survives_a_server_that_only_seems_to_speak_mcp(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr(connectors, "SECONDS", 0.7)
    receiver.script = [word]
    outcome = await asked(Connector(name="odd", kind="mcp", url=receiver.url, tool="t", template="x"))
    assert outcome.result == Result.FAILED and outcome.error


# --- Whose it is ------------------------------------------------------------------------------------------------------


async def test_it_shows_what_is_personal_to_nobody_unknown_and_asks_nothing(receiver: Receiver) -> None:
    outcome = await asked(over_http(receiver, needs_identity=True, owner_column="owner"))
    assert outcome.result == Result.UNIDENTIFIED and "log in" in outcome.text and "A1" not in outcome.text
    assert receiver.requests == []


async def test_it_finds_nothing_where_the_order_is_anothers(
    receiver: Receiver, server: McpServer, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW = {f"127.0.0.1:{receiver.port}", f"127.0.0.1:{server.port}"}
    for connector, number in (
        (over_http(receiver, needs_identity=True, owner_column="owner"), "A1"),
        (over_mcp(server, needs_identity=True, owner_column="owner"), "A10001"),
    ):
        assert (await asked(connector, number, "vera")).result == Result.FOUND
        others, none = await asked(connector, number, "bob"), await asked(connector, "A9", "bob")
        assert others.result == Result.NOTHING and others.text == f"No {number}."
        if connector.kind == "mcp":
            assert none.result == Result.NOTHING


async def test_it_tells_the_system_who_asks(receiver: Receiver) -> None:
    mine = over_http(
        receiver, "/of/{visitor_id}/{number}", needs_identity=True, headers={"X-User": "{visitor_id}"}
    )
    assert (await asked(mine, "A1", "ve/ra")).result == Result.FOUND
    assert receiver.requests[0].path == "/of/ve%2Fra/A1" and receiver.requests[0].headers["x-user"] == "ve/ra"


async def test_it_shows_nothing_where_nothing_ties_a_row_to_the_visitor(receiver: Receiver) -> None:
    assert (await asked(over_http(receiver, needs_identity=True), visitor="vera")).result == Result.FAILED
    assert receiver.requests == []
    receiver.script = ['json:{"orders": [{"status": "shipped"}]}']
    unowned = over_http(receiver, needs_identity=True, owner_column="owner")
    assert (await asked(unowned, visitor="vera")).result == Result.FAILED


async def test_it_needs_an_identity_for_a_personal_slot_alone(receiver: Receiver) -> None:
    personal = over_http(receiver, slots={"number": {"personal": True}}, owner_column="owner")
    assert (await asked(personal)).result == Result.UNIDENTIFIED
    assert (await asked(personal, visitor="vera")).result == Result.FOUND


async def test_it_gives_the_identity_to_no_connector_that_is_not_personal(receiver: Receiver) -> None:
    public = over_http(receiver, "/of/{visitor_id}")
    assert (await asked(public, visitor="vera")).result == Result.FAILED
    assert receiver.requests == []


# --- A system that is down --------------------------------------------------------------------------------------------


async def test_it_leaves_a_dead_system_alone_for_a_while(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.script = ["500"]
    outcomes = [(await asked(over_http(receiver))).result for _ in range(5)]
    assert outcomes == [*[Result.FAILED] * 3, Result.RESTING, Result.RESTING]
    assert len(receiver.requests) == 3
    assert (await asked(over_http(receiver, name="another"))).result == Result.FAILED
    later = time.time() + breaker.COOL_DOWN + 1
    monkeypatch.setattr(breaker, "time", SimpleNamespace(time=lambda: later))
    receiver.script = [f"json:{SHOP}"]
    assert (await asked(over_http(receiver))).result == Result.FOUND


async def test_it_lets_no_visitor_switch_a_system_off_by_asking_nonsense(receiver: Receiver) -> None:
    receiver.script = ["422"]
    for number in ("..", "..", "..", "x", "y", "z"):
        assert (await asked(over_http(receiver), number)).result == Result.FAILED
    receiver.script = [f"json:{SHOP}"]
    assert (await asked(over_http(receiver))).result == Result.FOUND
