"""H30, H32: pages of others get nothing, whatever cookies the browser sends along."""

from __future__ import annotations

import pytest
from django.test import Client

from chat.api import api
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Place, Visitor
from tests.conftest import make_agent
from tests.hostile.conftest import greet, key_of_agent
from tests.hostile.raw import TEXT, Raw, frame

pytestmark = pytest.mark.product

NOT_ALLOWED = 4003
STRANGERS = [
    "null",
    "http://evil.example",
    "http://{host}.evil.example",
    "http://{host}.evil.example:{port}",
    "http://evil.example/{host}:{port}",
    "http://{host}:{port}@evil.example",
    "http://evil.example#{host}:{port}",
    "http://not{host}:{port}",
    "http://globex.localhost:{port}",
    "http://localhost:{port}",
    "http://{host}:1",
    "http://[{host}:{port}",
    "file://",
    "{host}:{port}",
    "\xe4",
]


def refused(place: Place, path: str, hello: bytes, **headers: str) -> None:
    with Raw(place) as line:
        line.shake_hands(path, **headers)
        line.send(frame(TEXT, hello))
        assert line.closed() == NOT_ALLOWED
        assert line.got == b""


@pytest.mark.parametrize("origin", STRANGERS)
def test_h32_a_strange_page_gets_no_socket_even_with_everything_that_opens_one(
    acme_place: Place, visitor: Visitor, live_acme: Tenant, origin: str
) -> None:
    strange = origin.format(host=acme_place.host, port=acme_place.port)
    refused(
        acme_place,
        "/ws/v1/visitor",
        f'{{"type": "hello", "token": "{visitor.token}"}}'.encode(),
        Origin=strange,
    )
    cookie = f"sessionid={key_of_agent(live_acme, 'Ann')}"
    refused(acme_place, "/ws/v1/agent", b'{"type": "hello"}', Origin=strange, Cookie=cookie)


def test_h32_an_agents_socket_needs_an_origin_because_any_page_carries_the_cookie(
    acme_place: Place, live_acme: Tenant
) -> None:
    cookie = f"sessionid={key_of_agent(live_acme, 'Ann')}"
    refused(acme_place, "/ws/v1/agent", b'{"type": "hello"}', Origin="", Cookie=cookie)


def test_h32_a_program_that_names_no_origin_may_speak_for_a_visitor(
    acme_place: Place, visitor: Visitor
) -> None:
    with Raw(acme_place) as line:
        greet(line, visitor)


@pytest.mark.parametrize(
    "host", ["nobody.localhost", "localhost", "acme.localhost.evil.example", "127.0.0.1", "[::1]", ""]
)
def test_h32_a_host_that_is_no_tenants_gets_no_socket(acme_place: Place, host: str) -> None:
    with Raw(acme_place) as line:
        answer = line.shake_hands(Host=host)
        assert answer.split()[1] in ("400", "403")


# --- H30: state changes over HTTP -------------------------------------------------------------------------------------

CHANGES = sorted(
    (method, path)
    for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items()
    for method in methods
    if method != "get" and path != "/api/v1/visitor/sessions"
)
FORMS = [
    "/console/login/",
    "/console/logout/",
    "/admin/login/?next=/admin/",
    "/i18n/setlang/",
    "/admin/tenants/policy/1/change/",
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_h30_a_cookie_alone_changes_nothing_over_the_api(
    acme_place: Place, live_acme: Tenant, visitor: Visitor, method: str, path: str
) -> None:
    cookie = f"sessionid={key_of_agent(live_acme, 'Ann')}"
    address = path.format(conversation=visitor.conversation, visitor=visitor.session["visitor"]["id"])
    status, _said = acme_place.request(method.upper(), address, {"id": "x", "text": "x"}, Cookie=cookie)
    assert status in (401, 403)
    assert visitor.history()[1]["messages"] == []


@pytest.mark.parametrize("path", FORMS)
def test_h30_a_form_without_its_token_is_refused(acme: Tenant, path: str) -> None:
    client = Client(enforce_csrf_checks=True, HTTP_HOST="acme.localhost")
    with inside(acme):
        client.force_login(make_agent("Ann").user)
    assert client.post(path, {"language": "en"}).status_code == 403


def test_h30_a_link_logs_nobody_out(acme: Tenant) -> None:
    client = Client(HTTP_HOST="acme.localhost")
    with inside(acme):
        client.force_login(make_agent("Ann").user)
    assert client.get("/console/logout/").status_code == 405
    assert client.get("/console/").status_code == 200
