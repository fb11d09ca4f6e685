"""Who a visitor is to the site: only the site's own signature says so, and nothing that a client sends besides."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from chat import access, identity, turns
from chat.identity import read_identity, sign
from chat.models import IdentityKey, PendingTurn, Visitor
from chat.sessions import session_answer
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import administrator, browser
from tests.chat.sending import send
from tests.conftest import Chat

SECRET = identity.new_secret()
HOUR = timedelta(hours=1)


@pytest.fixture
def key(in_acme: Tenant) -> IdentityKey:
    return IdentityKey.objects.create(name="shop", secret=SECRET)


def word(account: str = "vera", secret: str = SECRET, ahead: timedelta = HOUR, name: str = "") -> str:
    return sign(secret, account, timezone.now() + ahead, name)


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "vera", "exp": int(timezone.now().timestamp()) + 3600, **more}


def visit(tenant: Tenant, signed: str = "", token: str = "") -> tuple[Visitor, dict[str, Any]]:
    answer = session_answer(tenant, token, "en", {}, signed)
    return Visitor.objects.get(pk=answer["visitor"]["id"]), answer


def test_it_believes_what_the_site_has_signed(key: IdentityKey) -> None:
    who = read_identity(word(name="Vera W."))
    assert who and (who.account, who.name, who.is_current) == ("vera", "Vera W.", True)


def test_it_believes_either_of_two_keys_and_none_that_is_switched_off(key: IdentityKey) -> None:
    newer = IdentityKey.objects.create(name="newer", secret=identity.new_secret())
    assert read_identity(word(secret=newer.secret)) and read_identity(word())
    IdentityKey.objects.filter(pk=key.pk).update(is_enabled=False)
    assert read_identity(word(secret=newer.secret)) and not read_identity(word())


def unsigned(algorithm: str, **more: Any) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, claims(**more))
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        + "."
    )


def test_it_believes_nothing_else(key: IdentityKey, globex: Tenant) -> None:
    with inside(globex):
        theirs = IdentityKey.objects.create(name="shop", secret=identity.new_secret())
    head, body, signature = word().split(".")
    mallory = jwt.encode(claims(sub="bob"), "x" * 40, algorithm="HS256").split(".")[1]
    for forged in (
        *("", ".", "..", "a.b.c", "\x00", "\ud800", "x" * 2000, word(secret=theirs.secret)),
        *(word(secret="secret" * 8), unsigned("none"), unsigned("None"), unsigned("HS256")),
        *(f"{head}.{mallory}.{signature}", f"{head}.{body}.", f"{head}.{body}.{signature[:-2]}"),
        jwt.encode(claims(), SECRET, algorithm="HS512"),
    ):
        assert read_identity(forged) is None, forged
    with inside(globex):
        assert read_identity(word()) is None and read_identity(word(secret=theirs.secret))


@pytest.mark.parametrize(
    "wrong",
    [{"sub": ""}, {"sub": "x" * 201}, {"sub": "a\nb"}, {"sub": "\x00"}, {"exp": 0}, {"exp": -1}, {"exp": 1e400}, {"exp": 10**30},
     {"exp": True}, {"exp": "tomorrow"}, {"exp": None}, {"name": 5}, {"sub": None}],
)  # fmt: skip
def test_it_believes_no_word_that_says_nothing(key: IdentityKey, wrong: dict[str, Any]) -> None:
    assert read_identity(jwt.encode(claims(), SECRET, algorithm="HS256"))
    body = json.dumps(claims(**wrong)).encode()
    assert read_identity(jwt.api_jws.encode(body, SECRET, algorithm="HS256")) is None


def test_it_lets_no_word_count_for_longer_than_a_day(key: IdentityKey) -> None:
    who = read_identity(word(ahead=timedelta(days=365)))
    assert who and who.until <= timezone.now() + identity.LONGEST


# --- Sessions ---------------------------------------------------------------------------------------------------------


def test_it_knows_the_visitor_by_the_account(key: IdentityKey, acme: Tenant) -> None:
    visitor, answer = visit(acme, word(name="Vera W."))
    assert (visitor.account, visitor.name, answer["visitor"]["identified"]) == ("vera", "Vera W.", True)
    plain, answer = visit(acme)
    assert (plain.account, answer["visitor"]["identified"]) == ("", False)
    assert visit(acme, word(secret="x" * 40))[0].account == ""


def test_it_goes_on_with_what_was_begun_before_logging_in(key: IdentityKey, vera: Chat) -> None:
    earlier, _answer = visit(vera.tenant, word())
    send(vera, "hello", "one")
    visitor, answer = visit(vera.tenant, word(), access.visitor_token(vera.tenant, vera.visitor))
    assert (visitor.pk, visitor.account) == (vera.visitor.pk, "vera")
    assert answer["conversation"]["id"] == str(vera.conversation.pk)
    assert earlier.pk != visitor.pk


def test_it_finds_the_last_visit_of_the_same_user_from_another_browser(key: IdentityKey, vera: Chat) -> None:
    known, _answer = visit(vera.tenant, word())
    assert visit(vera.tenant, word())[0] == known
    assert visit(vera.tenant, word(), access.visitor_token(vera.tenant, vera.visitor))[0] == known
    assert visit(vera.tenant, word("bob"))[0] != known


def test_it_shows_nobody_what_another_user_of_the_browser_has_said(key: IdentityKey, acme: Tenant) -> None:
    known, answer = visit(acme, word())
    token = answer["token"]
    assert visit(acme, word(), token)[0] == known
    for other in ("", word("bob"), word("bob", ahead=-HOUR), word(secret="x" * 40), "rubbish"):
        stranger, said = visit(acme, other, token)
        assert stranger.pk != known.pk and said["conversation"]["id"] != answer["conversation"]["id"]
        assert stranger.account == ("bob" if other == word("bob") else stranger.account) != "vera"


def test_it_goes_on_and_tells_nothing_personal_when_the_word_has_expired(
    key: IdentityKey, acme: Tenant
) -> None:
    known, answer = visit(acme, word())
    Visitor.objects.filter(pk=known.pk).update(identified_until=timezone.now() - HOUR)
    again, said = visit(acme, word(ahead=-HOUR), answer["token"])
    assert again.pk == known.pk and again.account == "" and said["visitor"]["identified"] is False
    # Without the browser's token an old word opens nothing.
    assert visit(acme, word(ahead=-HOUR))[0].pk != known.pk


def test_it_shows_the_neighbour_nothing(key: IdentityKey, acme: Tenant, globex: Tenant) -> None:
    _known, answer = visit(acme, word())
    with inside(globex):
        stranger, said = visit(globex, word(), answer["token"])
        assert stranger.account == "" and said["visitor"]["id"] != answer["visitor"]["id"]


@pytest.fixture
def live_key(live_acme: Tenant) -> Iterator[Tenant]:
    with inside(live_acme):
        key = IdentityKey.objects.create(name="shop", secret=SECRET)
        yield live_acme
        key.delete()


def test_it_takes_an_account_from_no_other_field(live_key: Tenant) -> None:
    sent = {
        "account": "vera", "external_id": "vera", "visitor": {"account": "vera", "id": "vera"}, "user": "vera", "sub": "vera",
        "identified_until": "2099-01-01T00:00:00Z", "page": {"url": "x", "account": "vera"},
    }  # fmt: skip
    client = browser(live_key)
    answer = posted(client, sent)
    assert answer["visitor"]["identified"] is False
    assert Visitor.objects.get(pk=answer["visitor"]["id"]).external_id == ""
    assert posted(client, {"identity": word()})["visitor"]["identified"] is True
    assert posted(client, {"identity": None})["visitor"]["identified"] is False


def posted(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/api/v1/visitor/sessions", body, content_type="application/json")
    assert response.status_code == 201, response.content
    said: dict[str, Any] = response.json()
    return said


def test_it_gives_workers_the_account_while_the_word_counts(key: IdentityKey, vera: Chat) -> None:
    visit(vera.tenant, word(), access.visitor_token(vera.tenant, vera.visitor))
    send(vera, "hello", "one")
    visit(vera.tenant, word(), access.visitor_token(vera.tenant, vera.visitor))
    assert claimed(vera).account == "vera"
    PendingTurn.objects.update(lease_until=None)
    Visitor.objects.filter(pk=vera.visitor.pk).update(identified_until=timezone.now())
    assert claimed(vera).account == ""


def claimed(chat: Chat) -> turns.Work:
    work = turns.claim(PendingTurn.objects.get(conversation=chat.conversation).pk)
    assert work
    return work


# --- The admin --------------------------------------------------------------------------------------------------------


def test_it_shows_a_secret_once(acme: Tenant, in_acme: Tenant) -> None:
    admin = administrator(acme)
    page = admin.post("/admin/chat/identitykey/add/", {"name": "shop", "is_enabled": "on"}).content.decode()
    key = IdentityKey.objects.get()
    assert key.secret in page and len(key.secret) > 40
    assert read_identity(word(secret=key.secret))
    for address in ("/admin/chat/identitykey/", f"/admin/chat/identitykey/{key.pk}/change/"):
        assert key.secret not in admin.get(address).content.decode()
    admin.post(f"/admin/chat/identitykey/{key.pk}/change/", {"name": "renamed", "is_enabled": "on"})
    assert IdentityKey.objects.get().secret == key.secret
