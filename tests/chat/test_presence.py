from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from chat import delivery, presence
from chat.delivery import Bell, conversation_topic
from chat.models import Agent, Conversation
from tenants.context import database_call, inside
from tenants.models import Policy, Tenant
from tests.chat.desk import agent, make_quiet, team
from tests.conftest import open_chat

LONG_AGO = timezone.now() - timedelta(hours=1)
State = Conversation.State


# --- Agents -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ann(live_acme: Tenant) -> Agent:
    """Who was last seen long ago."""
    with inside(live_acme):
        return agent("Ann", seen_at=LONG_AGO)


async def seen_at(tenant: Tenant, agent: Agent) -> datetime:
    return await database_call(tenant, lambda: Agent.objects.get(pk=agent.pk).seen_at)


async def forgets(tenant: Tenant, agent: Agent) -> None:
    await database_call(tenant, lambda: Agent.objects.filter(pk=agent.pk).update(seen_at=LONG_AGO))


async def test_it_knows_an_agent_as_soon_as_a_console_opens(live_acme: Tenant, ann: Agent) -> None:
    await presence.came(live_acme, ann.pk)
    assert await seen_at(live_acme, ann) > LONG_AGO
    presence.left(live_acme, ann.pk)


async def test_it_notes_of_all_consoles_together_that_they_are_there(live_acme: Tenant, ann: Agent) -> None:
    bob = await database_call(live_acme, agent, "Bob")
    for one in (ann, bob):
        await presence.came(live_acme, one.pk)
        await forgets(live_acme, one)
    await presence.write(presence._here())
    first, second = await seen_at(live_acme, ann), await seen_at(live_acme, bob)
    assert first == second > LONG_AGO
    for one in (ann, bob):
        presence.left(live_acme, one.pk)


async def test_it_counts_consoles_and_writes_nothing_when_one_closes(live_acme: Tenant, ann: Agent) -> None:
    await presence.came(live_acme, ann.pk)
    await presence.came(live_acme, ann.pk)
    presence.left(live_acme, ann.pk)
    await forgets(live_acme, ann)
    await presence.write(presence._here())
    assert await seen_at(live_acme, ann) > LONG_AGO
    presence.left(live_acme, ann.pk)
    await forgets(live_acme, ann)
    await presence.write(presence._here())
    assert await seen_at(live_acme, ann) == LONG_AGO
    assert not presence._here().consoles and not presence._here().heard


async def test_it_does_not_believe_a_socket_that_says_nothing(live_acme: Tenant, ann: Agent) -> None:
    await presence.came(live_acme, ann.pk)
    await forgets(live_acme, ann)
    here = presence._here()
    here.heard[live_acme.schema_name, ann.pk] -= presence.HEARD
    await presence.write(here)
    assert await seen_at(live_acme, ann) == LONG_AGO
    presence.heard(live_acme, ann.pk)
    await presence.write(here)
    assert await seen_at(live_acme, ann) > LONG_AGO
    presence.left(live_acme, ann.pk)


async def test_it_gives_an_agent_who_returns_those_who_wait(live_acme: Tenant, ann: Agent) -> None:
    live_acme.policy.assignment = Policy.Assignment.LEAST_BUSY

    def waits() -> UUID:
        chat = open_chat(live_acme)
        Conversation.objects.filter(pk=chat.conversation.pk).update(
            state=State.WAITING, waiting_since=LONG_AGO, team=team(f"Only {ann.pk}", ann)
        )
        return chat.conversation.pk

    conversation = await database_call(live_acme, waits)
    await presence.came(live_acme, ann.pk)
    presence.left(live_acme, ann.pk)
    agents = await database_call(
        live_acme, lambda: list(Conversation.objects.filter(pk=conversation).values_list("agent", flat=True))
    )
    await database_call(live_acme, make_quiet)
    assert agents == [ann.pk]


async def test_it_keeps_the_agents_of_tenants_apart(
    live_acme: Tenant, live_globex: Tenant, ann: Agent
) -> None:
    """Both have an agent of that number."""
    with_her_number = await database_call(live_globex, agent, "Gus", seen_at=LONG_AGO)
    await database_call(
        live_globex, lambda: Agent.objects.filter(pk=with_her_number.pk).update(id=ann.pk + 10_000)
    )
    await presence.came(live_acme, ann.pk + 10_000)
    gus = await database_call(live_globex, lambda: Agent.objects.get(pk=ann.pk + 10_000).seen_at)
    presence.left(live_acme, ann.pk + 10_000)
    assert gus == LONG_AGO


# --- Visitors ---------------------------------------------------------------------------------------------------------


class Page:
    """A visitor's socket, as far as presence goes."""

    def __init__(self, tenant: Tenant, conversation: UUID) -> None:
        self.tenant, self.conversation = tenant, conversation

    async def opens(self, *, is_news: bool = True) -> None:
        await delivery.listen(conversation_topic(self.tenant.schema_name, self.conversation), self)
        presence.visitor_came(self.tenant, self.conversation, is_news=is_news)

    async def closes(self) -> None:
        await delivery.ignore(conversation_topic(self.tenant.schema_name, self.conversation), self)
        presence.visitor_left(self.tenant, self.conversation)

    def hear(self, bell: Bell) -> None:
        if presence.is_for_pages(bell):
            presence.answer(self.tenant, self.conversation, bell)

    def missed(self, topics: list[str] | None) -> None: ...


class Onlooker:
    """An agent's socket, as far as presence goes: `online` is what was said last."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[bool] = asyncio.Queue()

    def hear(self, bell: Bell) -> None:
        if bell.kind == "presence":
            self.told.put_nowait(json.loads(bell.text)["visitor"]["online"])

    def missed(self, topics: list[str] | None) -> None: ...

    async def hears(self) -> bool:
        return await asyncio.wait_for(self.told.get(), 15)


@pytest.fixture
async def conversation(live_acme: Tenant) -> UUID:
    return uuid4()


@pytest.fixture
async def onlooker(live_acme: Tenant, conversation: UUID) -> AsyncIterator[Onlooker]:
    onlooker = Onlooker()
    topic = conversation_topic(live_acme.schema_name, conversation)
    await delivery.listen(topic, onlooker)
    yield onlooker
    await delivery.ignore(topic, onlooker)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LINGERS", 0.0)


async def test_it_tells_whether_the_visitors_page_is_open(
    live_acme: Tenant, conversation: UUID, onlooker: Onlooker, at_once: None
) -> None:
    page = Page(live_acme, conversation)
    await page.opens()
    assert await onlooker.hears() is True
    await page.closes()
    assert await onlooker.hears() is False
    assert not presence._here().pages


async def test_it_counts_pages(
    live_acme: Tenant, conversation: UUID, onlooker: Onlooker, at_once: None
) -> None:
    first, second = Page(live_acme, conversation), Page(live_acme, conversation)
    for page in (first, second):
        await page.opens()
    await first.closes()
    await second.closes()
    assert [await onlooker.hears(), await onlooker.hears()] == [True, False]
    assert onlooker.told.empty()


async def test_it_tells_nobody_of_a_page_where_nothing_was_said_until_somebody_asks(
    live_acme: Tenant, conversation: UUID, onlooker: Onlooker, at_once: None
) -> None:
    page = Page(live_acme, conversation)
    await page.opens(is_news=False)
    presence.ask(live_acme, conversation)
    assert await onlooker.hears() is True
    await page.closes()
    assert await onlooker.hears() is False
    assert onlooker.told.empty()


async def test_it_takes_a_reload_for_no_absence(
    live_acme: Tenant, conversation: UUID, onlooker: Onlooker
) -> None:
    first, second = Page(live_acme, conversation), Page(live_acme, conversation)
    await first.opens()
    await first.closes()
    await second.opens()
    assert await onlooker.hears() is True
    presence.ask(live_acme, conversation)
    assert await onlooker.hears() is True  # and nothing else before it
    await second.closes()


async def test_it_answers_an_agent_who_begins_to_look(
    live_acme: Tenant, conversation: UUID, onlooker: Onlooker
) -> None:
    pages = [Page(live_acme, conversation) for _ in range(3)]
    for page in pages:
        await page.opens()
    assert await onlooker.hears() is True
    presence.ask(live_acme, conversation)
    assert await onlooker.hears() is True
    presence.ask(live_acme, uuid4())
    presence.ask(live_acme, conversation)
    assert await onlooker.hears() is True
    assert onlooker.told.empty()
    for page in pages:
        await page.closes()


async def test_it_contradicts_a_process_that_only_had_one_of_two_pages(
    live_acme: Tenant, conversation: UUID, onlooker: Onlooker, at_once: None
) -> None:
    page = Page(live_acme, conversation)
    await page.opens()
    assert await onlooker.hears() is True
    await asyncio.to_thread(in_another_process, lambda: comes_and_goes(live_acme, conversation))
    assert [await onlooker.hears() for _ in range(3)] == [True, False, True]
    await page.closes()


async def comes_and_goes(tenant: Tenant, conversation: UUID) -> None:
    page = Page(tenant, conversation)
    await page.opens()
    await page.closes()
    while presence._here().pages:
        await asyncio.sleep(0.01)


def in_another_process(work: Callable[[], Awaitable[Any]]) -> None:
    """As good as one: everything that presence and delivery keep belongs to an event loop."""
    other = threading.Thread(target=lambda: asyncio.run(work()))  # type: ignore[arg-type]
    other.start()
    other.join(60)


async def test_it_shows_a_neighbour_no_visitor(
    live_acme: Tenant, live_globex: Tenant, conversation: UUID, onlooker: Onlooker, at_once: None
) -> None:
    """Even of a conversation that had the same id."""
    theirs, own = Page(live_globex, conversation), Page(live_acme, conversation)
    await theirs.opens()
    await theirs.closes()
    await own.opens()
    assert await onlooker.hears() is True
    presence.ask(live_acme, conversation)
    assert await onlooker.hears() is True
    await own.closes()
    assert await onlooker.hears() is False
