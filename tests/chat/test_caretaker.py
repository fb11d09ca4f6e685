"""Who goes round the open sockets closes those whose login has ended, and no other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from chat import access, caretaker
from chat.caretaker import BAD_CREDENTIALS
from chat.cursors import Cursor
from chat.models import Agent
from kefu.errors import Unauthorised
from tenants.context import inside
from tenants.models import Tenant
from tests.conftest import make_agent


@dataclass(eq=False)
class Console:
    tenant: Tenant
    login: str = ""
    cursors: dict[UUID, Cursor] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)

    def close(self, code: int) -> None:
        self.closed.append(code)

    def look(self, conversation: UUID, last_seq: int) -> None: ...


def login(tenant: Tenant, name: str) -> str:
    with inside(tenant):
        client = Client()
        client.force_login(make_agent(name).user)
        return client.cookies["sessionid"].value


def look_at(*consoles: Console) -> None:
    asyncio.run(caretaker._look_at([*consoles]))


@pytest.fixture
def anns(live_acme: Tenant) -> Console:
    return Console(live_acme, login(live_acme, "Ann"))


def test_it_closes_whose_login_has_ended_and_nobody_else(live_acme: Tenant, anns: Console) -> None:
    stranger = Console(live_acme, "a-login-that-nobody-has")

    look_at(anns, stranger)

    assert (anns.closed, stranger.closed) == ([], [BAD_CREDENTIALS])


def test_it_does_not_take_a_neighbours_login_for_one_of_its_own(
    live_acme: Tenant, live_globex: Tenant
) -> None:
    guss = Console(live_acme, login(live_globex, "Gus"))

    look_at(guss)

    assert guss.closed == [BAD_CREDENTIALS]


def test_it_lets_stay_who_says_hello_while_it_asks(
    live_acme: Tenant, anns: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    bobs, his_login = Console(live_acme), login(live_acme, "Bob")
    standing_logins = access.standing_logins

    def asked(keys: set[str]) -> set[str]:
        bobs.login = his_login
        return standing_logins(keys)

    monkeypatch.setattr(access, "standing_logins", asked)
    look_at(anns, bobs)

    assert (anns.closed, bobs.closed) == ([], [])


@pytest.mark.parametrize(
    "what", ["logged out", "expired", "deactivated", "new password", "no agent any more"]
)
def test_it_sees_how_a_login_ended_and_that_others_stand(live_acme: Tenant, what: str) -> None:
    anns, bobs = login(live_acme, "Ann"), login(live_acme, "Bob")
    with inside(live_acme):
        assert access.standing_logins({anns, bobs}) == {anns, bobs}
        end(access.agent_of_session(anns), anns, what)

        assert access.standing_logins({anns, bobs}) == {bobs}
        with pytest.raises(Unauthorised):
            access.agent_of_session(anns)


def end(agent: Agent, session_key: str, what: str) -> None:
    if what == "logged out":
        Session.objects.filter(pk=session_key).delete()
    elif what == "expired":
        Session.objects.filter(pk=session_key).update(expire_date=timezone.now())
    elif what == "deactivated":
        User.objects.filter(agent=agent).update(is_active=False)
    elif what == "new password":
        agent.user.set_password("another long password")
        agent.user.save()
    else:
        agent.delete()


async def test_it_asks_about_one_company_after_the_other(
    live_acme: Tenant, live_globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    charges: set[Console] = {Console(live_acme), Console(live_globex)}
    asked: list[str] = []

    async def look_at(sockets: list[Console]) -> None:
        asked.append(sockets[0].tenant.schema_name)
        if len(asked) == 4:
            charges.clear()

    monkeypatch.setattr(caretaker, "ROUND", 0)
    monkeypatch.setattr(caretaker, "TENANTS", 1)
    monkeypatch.setattr(caretaker, "_look_at", look_at)
    await caretaker._go_round(charges)

    assert sorted(asked[:2]) == ["acme", "globex"] and asked[2:] == asked[:2]


async def test_it_goes_round_again_after_the_database_was_away(
    live_acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    anns = Console(live_acme)
    charges: set[Console] = {anns}
    asked = 0

    async def current(tenant: Tenant) -> Tenant | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise DatabaseError("away")
        charges.clear()  # this round is the last
        return None

    monkeypatch.setattr(caretaker, "ROUND", 0)
    monkeypatch.setattr(caretaker.registry, "current", current)
    await caretaker._go_round(charges)

    assert anns.closed == [caretaker.SUSPENDED]


async def test_it_closes_a_suspended_companys_sockets_before_its_turn(
    live_acme: Tenant, live_globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    anns, guss = Console(live_acme), Console(live_globex)
    charges: set[Console] = {anns, guss}

    async def current(tenant: Tenant) -> Tenant | None:
        charges.clear()  # this round is the last
        return None if tenant == live_acme else tenant

    monkeypatch.setattr(caretaker, "ROUND", 0)
    monkeypatch.setattr(caretaker, "TENANTS", 0)
    monkeypatch.setattr(caretaker.registry, "current", current)
    await caretaker._go_round(charges)

    assert (anns.closed, guss.closed) == ([caretaker.SUSPENDED], [])
