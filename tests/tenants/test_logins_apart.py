"""A login belongs to one schema: the platform's opens nothing of a tenant, a tenant's nothing of the platform or its neighbour."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from chat import access
from chat.models import Agent
from kefu.errors import Unauthorised
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import browser

HOSTS = {"public": "localhost", "acme": "acme.localhost", "globex": "globex.localhost"}
PAIRS = [(own, other) for own in HOSTS for other in HOSTS if own != other]
PASSWORD = "long-enough-7"


def tenant_named(name: str) -> Tenant:
    return Tenant.objects.select_related("policy", "plan").get(schema_name=name)


def person_of(name: str, *, pk: int | None = None, password: str = PASSWORD) -> tuple[Tenant, User]:
    """An administrator, and where there are agents, one of them."""
    tenant = tenant_named(name)
    with inside(tenant):
        username = f"{name}-{uuid.uuid4().hex[:8]}"
        user = User.objects.create_superuser(username, password=password, **({"pk": pk} if pk else {}))
        if name != "public":
            Agent.objects.create(user=user, name=username)
    return tenant, user


def opens(client: Client, host: str) -> list[str]:
    """What of everything that wants a login is open for this browser at `host`."""
    pages = ["/admin/", "/admin/auth/user/", "/console/", "/api/v1/conversations"]
    pages += ["/api/v1/me", "/admin/tenants/tenant/", "/admin/tenants/policy/"]
    return [page for page in pages if client.get(page, HTTP_HOST=host).status_code == 200]


@pytest.mark.django_db
@pytest.mark.parametrize(("own", "other"), PAIRS)
def test_it_knows_a_password_only_where_it_belongs(own: str, other: str) -> None:
    _tenant, user = person_of(own)
    typed = {"username": user.username, "password": PASSWORD}
    doors = ["/admin/login/?next=/admin/", *(["/console/login/"] if other != "public" else [])]
    for door in doors:
        client = Client(HTTP_HOST=HOSTS[other], REMOTE_ADDR=f"2001:db8:{uuid.uuid4().hex[:4]}::1")
        assert client.post(door, typed).status_code == 200  # the form again, with its error
        assert "sessionid" not in client.cookies
        assert opens(client, HOSTS[other]) == []
    client = Client(HTTP_HOST=HOSTS[own])
    assert client.post("/admin/login/?next=/admin/", typed).status_code == 302
    assert "/admin/" in opens(client, HOSTS[own])


@pytest.mark.django_db
@pytest.mark.parametrize(("own", "other"), PAIRS)
def test_it_opens_nothing_for_a_cookie_of_another_host(own: str, other: str) -> None:
    """Not even with the same number of user there."""
    tenant, user = person_of(own, pk=700_001)
    person_of(other, pk=700_001)
    client = browser(tenant, user)
    own_doors = {"/admin/"} if own == "public" else {"/admin/", "/console/", "/api/v1/me"}
    assert own_doors <= {*opens(client, HOSTS[own])}
    assert opens(client, HOSTS[other]) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("own", "other"), PAIRS)
def test_it_opens_nothing_for_a_session_that_was_copied(own: str, other: str) -> None:
    """The same key, the same content, the same number of user: the password that it was made with is not this one's."""
    tenant, user = person_of(own, pk=700_002)
    neighbour, _namesake = person_of(other, pk=700_002)
    client = browser(tenant, user)
    with inside(tenant):
        session = Session.objects.get(pk=client.cookies["sessionid"].value)
    with inside(neighbour):
        Session.objects.create(
            session_key=session.session_key,
            session_data=session.session_data,
            expire_date=session.expire_date,
        )
        if other != "public":
            with pytest.raises(Unauthorised):  # as sockets look at it
                access.agent_of_session(session.session_key)
    assert opens(client, HOSTS[other]) == []


@pytest.mark.django_db
def test_it_lets_no_socket_in_with_a_cookie_of_another_host() -> None:
    tenant, user = person_of("globex", pk=700_003)
    person_of("acme", pk=700_003)
    key = browser(tenant, user).cookies["sessionid"].value
    with inside(tenant):
        assert access.agent_of_session(key).user_id == user.pk
    with inside(tenant_named("acme")), pytest.raises(Unauthorised):
        access.agent_of_session(key)


@pytest.mark.django_db
def test_it_gives_cookies_to_the_host_alone() -> None:
    """No cookie names a domain, so a browser gives none of a host to another."""
    for name in HOSTS:
        tenant, user = person_of(name)
        cookies = browser(tenant, user).cookies
        assert cookies and all(not cookie["domain"] for cookie in cookies.values())
