"""Whatever keeps something keeps whose it is: two companies with the same key, name or number never meet."""

from __future__ import annotations

import asyncio
import logging
import uuid

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import RequestFactory

from chat import access
from chat.delivery import agents_topic, conversation_topic, inside_topic, list_topic
from chat.models import Conversation, Visitor
from kefu.errors import Unauthorised
from tenants.context import database_call, inside, outside, public_call
from tenants.logs import WithSchema, working_for
from tenants.models import Tenant
from tenants.names import PUBLIC
from tests.conftest import make_agent
from tests.hostile.cast import login

ID = uuid.UUID(int=7)


def test_a_session_key_opens_the_company_that_gave_it_and_no_other(acme: Tenant, globex: Tenant) -> None:
    with inside(acme):
        ann = make_agent("Ann")
        key = login(ann.user)
    with inside(globex):
        gus = make_agent("Gus")
        with pytest.raises(Unauthorised):
            access.agent_of_session(key)
        session = Session.objects.get(pk=login(gus.user))
        Session.objects.create(
            session_key=key, session_data=session.session_data, expire_date=session.expire_date
        )
        assert access.agent_of_session(key).name == "Gus"
    with inside(acme):
        assert access.agent_of_session(key).name == "Ann"


def test_a_user_name_has_the_password_of_its_own_company(acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        with inside(tenant):
            User.objects.create_user("sam", password=f"{tenant.schema_name}'s")
    request = RequestFactory().post("/")
    with inside(globex):
        assert authenticate(request, username="sam", password="globex's")
        assert authenticate(request, username="sam", password="acme's") is None
    with outside():
        assert authenticate(request, username="sam", password="acme's") is None


def test_a_conversation_of_the_same_number_is_each_companys_own(acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        with inside(tenant):
            visitor = Visitor.objects.create(pk=ID, name=f"of {tenant.schema_name}")
            Conversation.objects.create(pk=ID, visitor=visitor)
    for tenant in (acme, globex):
        with inside(tenant):
            assert access.visitors_conversation(ID, ID).visitor.name == f"of {tenant.schema_name}"
            token = access.visitor_token(tenant, Visitor.objects.get(pk=ID))
            other = globex if tenant is acme else acme
            with inside(other), pytest.raises(Unauthorised):
                access.visitor_of_token(other, token)


def test_a_cache_key_and_a_file_name_are_each_companys_own(acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        with inside(tenant):
            cache.set("word", tenant.schema_name)
            assert (
                default_storage.save("notes/word.txt", ContentFile(tenant.schema_name.encode()))
                == "notes/word.txt"
            )
    for tenant in (acme, globex):
        with inside(tenant):
            assert cache.get("word") == tenant.schema_name
            assert default_storage.open("notes/word.txt").read() == tenant.schema_name.encode()
            cache.delete("word")
    with inside(acme):
        default_storage.delete("notes/word.txt")
    with inside(globex):
        assert default_storage.exists("notes/word.txt")
        default_storage.delete("notes/word.txt")
    with outside():
        assert cache.get("word") is None


def test_a_group_name_carries_the_schema() -> None:
    for topic in (
        agents_topic("acme"), list_topic("acme", "waiting"), conversation_topic("acme", ID), inside_topic("acme", ID),
    ):  # fmt: skip
        assert "acme" in topic


# --- The log ----------------------------------------------------------------------------------------------------------


def whose() -> str:
    """As a line written now would say it."""
    record = logging.LogRecord("any", logging.INFO, __file__, 1, "text", (), None)
    assert WithSchema().filter(record)
    return str(record.schema)  # type: ignore[attr-defined]


def test_a_line_says_whose_it_is(acme: Tenant, globex: Tenant) -> None:
    working_for.set(PUBLIC)  # whatever the request of a test before was for
    assert whose() == "public"
    with inside(acme):
        assert whose() == "acme"
        with inside(globex):
            assert whose() == "globex"
        with outside():
            assert whose() == "public"
        assert whose() == "acme"
    assert whose() == "public"


async def test_a_line_says_whose_it_is_in_whatever_thread(live_acme: Tenant, live_globex: Tenant) -> None:
    both = (live_acme, live_globex)
    seen = await asyncio.gather(*(database_call(both[number % 2], whose) for number in range(40)))
    assert seen == ["acme", "globex"] * 20
    assert await public_call(whose) == "public"


def test_a_line_of_the_console_is_formatted_with_it(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    handler = next(handler for handler in logging.getLogger().handlers if handler.filters)
    with inside(acme):
        record = logging.LogRecord("any", logging.INFO, __file__, 1, "text", (), None)
    with inside(acme):
        assert handler.filter(record)
        assert " acme any text" in handler.format(record)
