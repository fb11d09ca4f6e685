"""H01, H03, H04, H20, H58: every route and every task, asked by everybody who has no business there.

The tables below say of each whom it is for, and what its ids name. Both URLconfs, the API and the task registry are compared with them:
what is new there and missing here fails the first tests, which say what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from chat.models import Agent, Attachment, Conversation, PendingTurn, Visitor
from inference.models import IntentModel
from kefu.celery import app
from knowledge.models import Document
from tenants import actions, registry
from tenants.admin_sites import platform_site, tenant_site
from tenants.context import outside
from tenants.models import Tenant
from tenants.tasks import NoTenant
from tests.admin import browser
from tests.hostile.cast import CANARY, Company, everything, login

pytestmark = pytest.mark.slow

# --- Whom each route is for -------------------------------------------------------------------------------------------

PUBLIC, VISITOR, AGENT, ADMIN = "public", "visitor", "agent", "tenant admin"
PLATFORM = "platform"
TENANT, PLATFORM_HOST = "kefu.urls", "kefu.urls_public"
# Of a tenant's host. Everything under admin/ is for the tenant's administrators, but for what is named here.
ROUTES: dict[str, str] = {
    "": PUBLIC,
    "favicon.ico": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "i18n/setlang/": PUBLIC,
    "jsi18n/": PUBLIC,
    "demo/": PUBLIC,
    "demo/login/": PUBLIC,
    "demo/help/<slug:slug>": PUBLIC,
    "widget/v1/loader.js": PUBLIC,
    "widget/v1/panel": PUBLIC,
    "console/": AGENT,
    "console/login/": PUBLIC,
    "console/logout/": PUBLIC,
    "admin/login/": PUBLIC,
    "admin/logout/": PUBLIC,
    "admin/jsi18n/": PUBLIC,
    "api/v1/": PUBLIC,
    "api/v1/docs": PUBLIC,
    "api/v1/openapi.json": PUBLIC,
    "api/v1/visitor/sessions": PUBLIC,
    "api/v1/conversations/<uuidstr:conversation>/messages": VISITOR,  # and agents
    "api/v1/conversations/<uuidstr:conversation>/attachments": VISITOR,  # and agents
    "api/v1/conversations/<uuidstr:conversation>/attachments/<uuidstr:attachment>": VISITOR,  # and agents
    "api/v1/conversations/<uuidstr:conversation>": AGENT,
    "api/v1/conversations/<uuidstr:conversation>/notes": AGENT,
    "api/v1/conversations": AGENT,
    "api/v1/visitors/<uuidstr:visitor>/conversations": AGENT,
    "api/v1/agents": AGENT,
    "api/v1/canned-replies": AGENT,
    "api/v1/me": AGENT,
}
PLATFORM_ROUTES: dict[str, str] = {
    "": PUBLIC,
    "favicon.ico": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "metrics": PUBLIC,
    "i18n/setlang/": PUBLIC,
    "jsi18n/": PUBLIC,
    "admin/login/": PUBLIC,
    "admin/logout/": PUBLIC,
    "admin/jsi18n/": PUBLIC,
}
# What the ids in addresses name. `object_id`, `id` and `pk` name a row of the model that the admin's page is about.
IDS: dict[str, type[models.Model]] = {
    "conversation": Conversation,
    "visitor": Visitor,
    "attachment": Attachment,
    "content_type_id": ContentType,
}
WORDS = {"slug": "returns", "app_label": "chat", "url": "nowhere"}  # no ids
OF_THE_PAGE = {"object_id", "id", "pk"}
NOBODYS: dict[type, str] = {models.UUIDField: "00000000-0000-4000-8000-000000000000"}
NO_NUMBER = "987654321"
FORM = {"post": "yes", "name": "mine now", "text": "mine now", "id": "x"}


@dataclass(frozen=True)
class Route:
    host: str  # which URLconf
    pattern: str
    name: str
    who: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.pattern)

    def model(self, parameter: str) -> type[models.Model] | None:
        """What an id names; None for a word."""
        if parameter in OF_THE_PAGE:
            return page_model(self.host, self.name)
        return None if parameter in WORDS else IDS[parameter]

    @property
    def has_ids(self) -> bool:
        return any(self.model(name) for name in self.parameters)

    def address(self, ids: dict[str, str]) -> str:
        """With ids for its parameters. A regular expression's address is its group's word."""
        plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", self.pattern).replace("^", "").replace("$", "")
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: ids[match[1]], plain)


def routes(host: str, known: dict[str, str], otherwise: str) -> Iterator[Route]:
    for pattern, name in sorted(patterns(get_resolver(host))):
        under_admin = otherwise if pattern.startswith("admin/") else ""
        yield Route(host, pattern, name, known.get(pattern, under_admin))


def patterns(resolver: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for entry in resolver.url_patterns:
        pattern = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, pattern)
        elif isinstance(entry, URLPattern):
            yield pattern, entry.name or ""


@cache
def page_model(host: str, name: str) -> type[models.Model]:
    """`inference_provider_test` is about a Provider."""
    site = tenant_site if host == TENANT else platform_site
    for model in site._registry:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    if name in ("auth_user_password_change", "view_on_site", ""):  # the theme's and Django's own
        return User
    raise LookupError(
        f"the page {name} has an id, and is about no model that the admin knows: say here about which"
    )


TENANTS_ROUTES = list(routes(TENANT, ROUTES, ADMIN))
ALL_ROUTES = [*TENANTS_ROUTES, *routes(PLATFORM_HOST, PLATFORM_ROUTES, PLATFORM)]
GUARDED = [route for route in ALL_ROUTES if route.who != PUBLIC]


def test_h20_every_route_says_whom_it_is_for() -> None:
    unknown = sorted({f"{route.host}: {route.pattern}" for route in ALL_ROUTES if not route.who})
    assert not unknown, (
        f"{unknown}: say in ROUTES (or PLATFORM_ROUTES) whom they are for; PUBLIC only if anybody may ask"
    )
    gone = ROUTES.keys() - {route.pattern for route in TENANTS_ROUTES}
    assert not gone, f"ROUTES knows {gone}, and nobody else does: take them out"


def test_h01_every_id_in_an_address_says_what_it_names(companies: tuple[Company, Company]) -> None:
    acme, _globex = companies
    for route in TENANTS_ROUTES:
        for parameter in route.parameters:
            known = parameter in IDS or parameter in OF_THE_PAGE or parameter in WORDS
            assert known, (
                f"{route.pattern}: say in IDS what “{parameter}” names, or in WORDS that it is no id"
            )
            model = route.model(parameter)
            assert model is None or model in acme.rows, (
                f"{route.pattern} is about a {model}: give both companies one in tests/hostile/cast.py"
            )


# --- Who asks ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def overseer(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, str]]:
    """The platform's administrator: keys of sessions."""
    with django_db_blocker.unblock(), outside():
        user = User.objects.create(username="the overseer", is_staff=True, is_superuser=True)
        yield {"now": login(user), "expired": login(user, -1)}
        user.delete()


@pytest.fixture(autouse=True)
def unchanged(companies: object, overseer: object, committed: None) -> Iterator[None]:
    """No table of any schema is another afterwards."""
    before = everything()
    yield
    after = everything()
    assert {name for name in after if after[name] != before.get(name)} == set()


def ids_of(route: Route, whose: Company) -> dict[str, str]:
    return {
        name: whose.ids(model) if (model := route.model(name)) else WORDS[name] for name in route.parameters
    }


def nobodys_ids(route: Route) -> dict[str, str]:
    def none_of(model: type[models.Model]) -> str:
        return NOBODYS.get(type(model._meta.pk), NO_NUMBER)

    return {
        name: none_of(model) if (model := route.model(name)) else WORDS[name] for name in route.parameters
    }


def answers(client: Client, route: Route, ids: dict[str, str], **headers: str) -> list[tuple[int, str, str]]:
    """What is said to a reader and to a writer: (status, where to, text), without what they sent themselves."""
    address = route.address(ids)
    body = {"content_type": "application/json"} if address.startswith("/api/") else {}
    said = [client.get(address, headers=headers), client.post(address, FORM, headers=headers, **body)]
    return [plain(response, ids) for response in said]


def plain(response: HttpResponseBase, ids: dict[str, str]) -> tuple[int, str, str]:
    text = b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined]
    said = [response.get("Location", ""), text.decode("utf-8", "replace")]
    for value in sorted(ids.values(), key=len, reverse=True):
        said = [part.replace(value, "…") for part in said]
    said = [re.sub(r'(csrfmiddlewaretoken" value=|nonce=)"[^"]*"', "", part) for part in said]
    return response.status_code, said[0], said[1]


def is_no(answer: tuple[int, str, str]) -> bool:
    status, place, _text = answer
    return status in (401, 403, 404, 405) or (status == 302 and "login" in place)


def refused(answer: tuple[int, str, str]) -> bool:
    assert CANARY not in "".join(map(str, answer))
    return is_no(answer)


# --- The sweep --------------------------------------------------------------------------------------------------------


def stranger(
    kind: str, host: str, acme: Company, globex: Company, overseer: dict[str, str]
) -> tuple[Client, dict[str, str]]:
    """A browser on the host of Globex or the platform, with credentials that are good for nothing there."""
    at = globex.tenant if host == TENANT else Tenant.objects.get(schema_name="public")
    client, headers = browser(at), {}
    cookies = {
        "forged": "a" * 32,
        "the neighbour's administrator": acme.keys["administrator"],
        "the neighbour's agent": acme.keys["agent"],
        "a visitor's token as a cookie": acme.token,
    }
    tokens = {"the neighbour's visitor": acme.token, "a forged token": f"{acme.token[:-1]}x", "no token": ""}
    if kind in cookies:
        client.cookies["sessionid"] = cookies[kind]
    if kind in tokens:
        headers = {"Authorization": f"Bearer {tokens[kind]}"}
    if kind == "the other face":
        # A tenant's administrator at the platform's, and the platform's at a tenant's.
        client.cookies["sessionid"] = overseer["now"] if host == TENANT else acme.keys["administrator"]
    if kind == "expired":
        client.cookies["sessionid"] = globex.keys["expired"] if host == TENANT else overseer["expired"]
    return client, headers


STRANGERS = [
    "nobody",
    "forged",
    "expired",
    "the neighbour's administrator",
    "the neighbour's agent",
    "the neighbour's visitor",
    "a forged token",
    "no token",
    "a visitor's token as a cookie",
    "the other face",
]


@pytest.mark.parametrize("kind", STRANGERS)
def test_h04_a_stranger_is_told_of_what_is_there_what_is_told_of_what_is_not(
    companies: tuple[Company, Company], overseer: dict[str, str], kind: str
) -> None:
    acme, globex = companies
    clients = {host: stranger(kind, host, acme, globex, overseer) for host in (TENANT, PLATFORM_HOST)}
    for route in GUARDED:
        client, headers = clients[route.host]
        if headers and not route.pattern.startswith("api/"):  # tokens are read there only
            continue
        real = ids_of(route, globex) if route.host == TENANT else nobodys_ids(route)
        there = answers(client, route, real, **headers)
        assert all(map(refused, there)), (route, there)
        if real != nobodys_ids(route):
            assert there == answers(client, route, nobodys_ids(route), **headers), route


@pytest.mark.parametrize("who", ["administrator", "agent"])
def test_h01_who_is_somebody_here_finds_the_neighbours_ids_no_more_than_none(
    companies: tuple[Company, Company], who: str
) -> None:
    acme, globex = companies
    client = acme.client(who)
    for route in TENANTS_ROUTES:
        if route.has_ids and route.who != PUBLIC:
            foreign = answers(client, route, ids_of(route, globex))
            nobodys = answers(client, route, nobodys_ids(route))
            assert [answer[:2] for answer in foreign] == [answer[:2] for answer in nobodys], route
            assert CANARY not in str(foreign), route
            assert all(answer[0] in (302, 401, 403, 404, 405) or empty(answer) for answer in foreign), (
                route,
                foreign,
            )


def empty(answer: tuple[int, str, str]) -> bool:
    """A list without anything in it."""
    return answer[0] == 200 and answer[2].replace(" ", "") == '{"conversations":[]}'


def test_h05_another_visitor_finds_a_conversation_no_more_than_none(
    companies: tuple[Company, Company],
) -> None:
    acme, globex = companies
    for route in TENANTS_ROUTES:
        if route.who in (VISITOR, AGENT) and route.has_ids:
            for whose in (acme, globex):
                headers = {"Authorization": f"Bearer {acme.token}"}
                own = whose is acme and route.who == VISITOR
                if not own:
                    there = answers(browser(acme.tenant), route, ids_of(route, whose), **headers)
                    assert there == answers(browser(acme.tenant), route, nobodys_ids(route), **headers)
                    assert all(map(refused, there)), (route, there)


def test_h03_the_neighbours_rows_cannot_be_picked_from_a_list(companies: tuple[Company, Company]) -> None:
    """The admin's actions get their ids from a form, not from the address."""
    acme, globex = companies
    client = acme.client()
    for model, admin in tenant_site._registry.items():
        meta = model._meta
        address = f"/admin/{meta.app_label}/{meta.model_name}/"
        actions = re.findall(r'<option value="(\w+)"', client.get(address).content.decode())
        for action in {"delete_selected", *actions}:
            form = {"action": action, "_selected_action": [globex.ids(model)], "post": "yes"}
            assert CANARY not in client.post(address, form, follow=True).content.decode(), (admin, action)


@pytest.mark.parametrize(
    "host", ["initech.localhost", "evil.example", "acme.localhost.evil.example", "", "acme.localhost,x"]
)
def test_an_unknown_host_has_nothing_at_all(companies: tuple[Company, Company], host: str) -> None:
    client = companies[0].client()
    nothing = {top: client.get(top, headers={"host": "nobody.example"}).content for top in ("/", "/api/")}
    for route in TENANTS_ROUTES:
        if route.pattern not in ("healthz", "readyz"):  # asked by address
            address = route.address(ids_of(route, companies[0]))
            response = client.get(address, headers={"host": host})
            said = nothing["/api/" if address.startswith("/api/") else "/"]
            assert (response.status_code, response.content) == (404, said), route


def test_h58_what_is_public_here_says_nothing_of_the_neighbour(companies: tuple[Company, Company]) -> None:
    acme, _globex = companies
    for route in TENANTS_ROUTES:
        if route.who == PUBLIC:
            response = browser(acme.tenant).get(route.address(nobodys_ids(route)))
            text = plain(response, {})[2]
            assert CANARY not in text and "globex" not in text.lower(), route


# --- Tasks ------------------------------------------------------------------------------------------------------------

FOR_ALL = {
    "chat.tasks.sweep",
    "chat.tasks.measure",
    "chat.effects.tidy",
    "kefu.canary",
}  # go round by themselves; nobody names a tenant
TASKS: dict[str, Any] = {  # of a tenant: what they are given besides it
    "chat.tasks.answer_turn": lambda whose: (whose.ids(PendingTurn),),
    "chat.effects.perform": lambda whose: ("webhook", str(whose.ids(Agent))),
    "knowledge.tasks.index_document_task": lambda whose: (int(whose.ids(Document)),),
    "inference.tasks.train_intents_task": lambda whose: (int(whose.ids(IntentModel)),),
}


@cache
def registered() -> set[str]:
    app.loader.import_default_modules()
    return {name for name in app.tasks if not name.startswith(("celery.", "tests."))}


def test_every_task_says_whose_it_is() -> None:
    unknown = registered() - FOR_ALL - TASKS.keys()
    assert not unknown, f"{unknown}: say in TASKS what they are given, or in FOR_ALL that they are nobody's"
    assert registered() >= FOR_ALL | TASKS.keys()


@pytest.mark.parametrize("name", TASKS)
def test_a_task_without_a_tenant_fails(companies: tuple[Company, Company], name: str) -> None:
    for schema in ("", None, "public", "initech", "acme; --", "Acme", "pg_catalog", 7):
        with pytest.raises(NoTenant):
            app.tasks[name](schema, *TASKS[name](companies[0]))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_of_one_tenant_does_nothing_with_anothers_ids(
    companies: tuple[Company, Company], name: str
) -> None:
    acme, globex = companies
    app.tasks[name]("acme", *TASKS[name](globex))
    app.tasks[name]("globex", *TASKS[name](acme))


@pytest.mark.parametrize("name", TASKS)
def test_a_suspended_tenants_task_is_dropped(companies: tuple[Company, Company], name: str) -> None:
    acme, _globex = companies
    fields = ("status", "revision", "changed_at")
    before = Tenant.objects.filter(pk=acme.tenant.pk).values(*fields).get()
    actions.suspend(acme.tenant)
    try:
        assert app.tasks[name]("acme", *TASKS[name](acme)) is None
    finally:
        Tenant.objects.filter(pk=acme.tenant.pk).update(**before)
        registry.forget()
