"""A visitor's token is good for one visitor of one tenant, and nobody else can make one."""

from __future__ import annotations

import base64
import json

import pytest
from django.core import signing

from chat import access
from chat.sessions import session_answer
from kefu.errors import Unauthorised
from tenants.models import Tenant
from tests.conftest import Chat


def refused(tenant: Tenant, token: str) -> bool:
    with pytest.raises(Unauthorised):
        access.visitor_of_token(tenant, token)
    return True


def test_it_knows_its_own_visitor_by_the_token(vera: Chat) -> None:
    token = access.visitor_token(vera.tenant, vera.visitor)
    assert access.visitor_of_token(vera.tenant, token) == vera.visitor
    assert access.visitor_token(vera.tenant, vera.visitor).count(":") == 2


def test_it_refuses_a_token_of_another_tenant(vera: Chat, globex: Tenant) -> None:
    assert refused(vera.tenant, access.visitor_token(globex, vera.visitor))
    # A tenant of the same name that came later is another tenant.
    heir = Tenant(pk=vera.tenant.pk + 1000, schema_name="acme")
    assert refused(vera.tenant, access.visitor_token(heir, vera.visitor))


@pytest.mark.parametrize("key", ["token", "golivechat", "secret", "django-insecure", "changeme"])
def test_it_refuses_a_token_signed_with_a_secret_that_everybody_knows(vera: Chat, key: str) -> None:
    salt = f"visitor:acme:{vera.tenant.pk}"
    assert refused(vera.tenant, signing.dumps(str(vera.visitor.pk), key=key, salt=salt))


def test_it_refuses_a_token_that_nobody_signed(vera: Chat) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": str(vera.visitor.pk)}).encode()).decode()
    token = access.visitor_token(vera.tenant, vera.visitor)
    for forged in (
        "",
        ":",
        "::",
        str(vera.visitor.pk),
        f"eyJhbGciOiJub25lIn0.{claims}.",
        token[:-1],
        token + "A",
        "\ud800",
        "\x00",
    ):
        assert refused(vera.tenant, forged)


def test_it_refuses_what_was_signed_for_something_else(vera: Chat) -> None:
    assert refused(vera.tenant, signing.dumps(str(vera.visitor.pk)))
    assert refused(vera.tenant, signing.dumps("vera", salt=f"visitor:acme:{vera.tenant.pk}"))


def test_it_refuses_an_old_token_and_the_token_of_a_visitor_who_is_gone(
    vera: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = access.visitor_token(vera.tenant, vera.visitor)
    monkeypatch.setattr(access, "TOKEN_AGE", -1)
    assert refused(vera.tenant, token)
    monkeypatch.undo()
    vera.visitor.delete()
    assert refused(vera.tenant, token)


def test_it_starts_anew_for_a_visitor_whose_token_is_no_longer_good(vera: Chat) -> None:
    token = access.visitor_token(vera.tenant, vera.visitor)
    known = session_answer(vera.tenant, token, "en", {})
    assert (known["visitor"]["id"], known["conversation"]["id"]) == (
        str(vera.visitor.pk),
        str(vera.conversation.pk),
    )
    fresh = session_answer(vera.tenant, token + "x", "en", {})
    assert fresh["visitor"]["id"] != known["visitor"]["id"]


@pytest.mark.parametrize(
    ("locale", "greeting", "suggestions"), [("zh-hans", "您好", ["怎么退货？"]), ("en", "Hello", ["How?"])]
)
def test_it_greets_in_the_language_that_the_visitor_reads(
    vera: Chat, locale: str, greeting: str, suggestions: list[str]
) -> None:
    policy = vera.tenant.policy
    policy.greeting, policy.suggestions = "您好", ["怎么退货？"]
    policy.greeting_en, policy.suggestions_en = "Hello", ["How?"]
    said = session_answer(vera.tenant, "", locale, {})["policy"]
    assert (said["greeting"], said["suggestions"]) == (greeting, suggestions)


def test_it_leaves_the_words_to_the_product_where_the_company_wrote_none_in_a_language(vera: Chat) -> None:
    vera.tenant.policy.greeting, vera.tenant.policy.disclaimer = "您好", "仅供参考"
    said = session_answer(vera.tenant, "", "en", {})["policy"]
    assert (said["greeting"], said["suggestions"]) == ("", [])
    assert said["disclaimer"] not in ("", "仅供参考")


def test_it_tells_a_visitors_page_nothing_but_what_it_needs(vera: Chat) -> None:
    """H58: the public answer's fields, frozen."""
    said = session_answer(vera.tenant, "", "en", {})
    assert set(said) == {"token", "expires_at", "visitor", "conversation", "policy"}
    assert set(said["visitor"]) == {"id", "name", "identified"}
    assert set(said["conversation"]) == {"id", "seq", "state", "epoch"}
    assert set(said["policy"]) == {
        *("company", "bot_name", "greeting", "suggestions", "accent", "disclaimer"),
        *("max_text", "locale", "agents_online", "offline_text", "can_ask_agent", "uploads"),
    }
