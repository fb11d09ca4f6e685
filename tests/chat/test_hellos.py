"""Hellos that come at once, as after a restart, are answered together; each gets what it would have got alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from chat import access, actions, cursors, record
from chat.models import Conversation, Message
from kefu.errors import NotFound, Unauthorised
from tenants import gather
from tenants.context import database_call, inside
from tenants.models import Tenant
from tests.chat.client import Place, Socket, Visitor
from tests.chat.conftest import suspended
from tests.conftest import Chat, open_chat

FARTHEST = 2**31 - 1  # the greatest `after` that a hello can name


def chats(tenant: Tenant, number: int) -> list[Chat]:
    with inside(tenant):
        return [open_chat(tenant) for _ in range(number)]


def token(chat: Chat) -> str:
    return access.visitor_token(chat.tenant, chat.visitor)


@pytest.fixture
def calls() -> Iterator[list[tuple[str, int]]]:
    """(schema, how many were asked about) of each call to the database that was made for many."""
    made: list[tuple[str, int]] = []

    async def noted(tenant: Tenant, function: Callable[..., Any], items: list[Any]) -> Any:
        made.append((tenant.schema_name, len(items)))
        return await database_call(tenant, function, items)

    with mock.patch.object(gather, "database_call", noted):
        yield made


async def together(*asked: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


# --- Who it is --------------------------------------------------------------------------------------------------------


async def test_it_knows_each_caller_of_a_group_and_refuses_the_others(
    live_acme: Tenant, live_globex: Tenant, calls: list[tuple[str, int]]
) -> None:
    vera, vito, gone = await asyncio.to_thread(chats, live_acme, 3)
    (gina,) = await asyncio.to_thread(chats, live_globex, 1)
    late = token(gone)
    await database_call(live_acme, gone.visitor.delete)
    hello = access.caller_of_token
    found = await together(
        hello(live_acme, token(vera)),
        hello(live_acme, token(vera) + "x"),
        hello(live_acme, token(gina)),
        hello(live_acme, late),
        hello(live_globex, token(gina)),
        hello(live_acme, token(vito)),
        hello(live_globex, token(vera)),
        hello(live_acme, token(vera)),
    )
    assert [type(one) for one in found if isinstance(one, Exception)] == [Unauthorised] * 4
    callers = [one for one in found if isinstance(one, access.Caller)]
    assert [one.conversation for one in callers] == [
        chat.conversation.pk for chat in (vera, gina, vito, vera)
    ]
    assert [one.pk for one in callers] == [chat.visitor.pk for chat in (vera, gina, vito, vera)]
    assert sorted(calls) == [("acme", 4), ("globex", 1)]  # whose tokens are good, and nobody else's


async def test_it_opens_the_conversation_that_is_open_else_the_last_one(live_acme: Tenant) -> None:
    def several() -> tuple[Chat, list[UUID]]:
        chat = open_chat(live_acme)
        rows = [Conversation.objects.create(visitor=chat.visitor) for _ in range(2)]
        Conversation.objects.filter(visitor=chat.visitor).exclude(pk=chat.conversation.pk).update(
            state="closed"
        )
        return chat, [chat.conversation.pk, *(row.pk for row in rows)]

    chat, (open_one, _older, last) = await database_call(live_acme, several)
    assert (await access.caller_of_token(live_acme, token(chat))).conversation == open_one
    await database_call(live_acme, actions.end_as_visitor, chat.visitor.pk, open_one)
    assert (await access.caller_of_token(live_acme, token(chat))).conversation == last
    await database_call(live_acme, Conversation.objects.filter(visitor=chat.visitor).delete)
    with pytest.raises(NotFound):
        await access.caller_of_token(live_acme, token(chat))


async def test_it_harms_nobody_when_one_of_a_group_hangs_up(live_acme: Tenant) -> None:
    vera, vito = await asyncio.to_thread(chats, live_acme, 2)
    asked = [
        asyncio.ensure_future(access.caller_of_token(live_acme, token(chat))) for chat in (vera, vito, vera)
    ]
    await asyncio.sleep(0)  # all of them are waiting now
    asked[0].cancel()
    left, *found = await together(*asked)
    assert isinstance(left, asyncio.CancelledError)
    assert [one.pk for one in found] == [vito.visitor.pk, vera.visitor.pk]


async def test_it_lets_no_tenant_wait_for_anothers_database(live_acme: Tenant, live_globex: Tenant) -> None:
    (vera,), (gina,) = [await asyncio.to_thread(chats, tenant, 1) for tenant in (live_acme, live_globex)]
    held, free = asyncio.Event(), asyncio.Event()

    async def slow_for_acme(tenant: Tenant, function: Callable[..., Any], items: list[Any]) -> Any:
        if tenant.schema_name == "acme":
            held.set()
            await free.wait()
        return await database_call(tenant, function, items)

    with mock.patch.object(gather, "database_call", slow_for_acme):
        hers = asyncio.ensure_future(access.caller_of_token(live_acme, token(vera)))
        await held.wait()
        assert (await access.caller_of_token(live_globex, token(gina))).pk == gina.visitor.pk
        assert not hers.done()
        free.set()
        assert (await hers).pk == vera.visitor.pk


# --- What they have missed --------------------------------------------------------------------------------------------


def say(chat: Chat, *texts: str) -> None:
    with inside(chat.tenant):
        for text in texts:
            record.append(Conversation.objects.get(pk=chat.conversation.pk), Message.Sender.BOT, text)


async def test_it_gives_each_of_a_group_what_is_new_to_them(
    live_acme: Tenant, live_globex: Tenant, calls: list[tuple[str, int]]
) -> None:
    vera, silent = await asyncio.to_thread(chats, live_acme, 2)
    (gina,) = await asyncio.to_thread(chats, live_globex, 1)
    await asyncio.to_thread(say, vera, "One", "Two", "Three")
    await asyncio.to_thread(say, gina, "Of Globex")
    asked = [
        (vera, None), (vera, 0), (vera, 2), (vera, 3), (vera, FARTHEST), (silent, None), (silent, FARTHEST), (gina, None),
    ]  # fmt: skip
    news = await together(
        *(cursors.missed((live_acme, (chat.conversation.pk, after, 0))) for chat, after in asked),
        cursors.missed((live_acme, (uuid4(), 5, 0))),
    )
    texts = [[message["text"] for message in one.messages] for one in news]
    everything = ["One", "Two", "Three"]
    assert texts == [everything, everything, ["Three"], [], [], [], [], [], []]
    assert [one.state and one.state["seq"] for one in news] == [3, 3, 3, 3, 3, 0, 0, None, None]
    assert calls == [("acme", 9)]


# --- On sockets -------------------------------------------------------------------------------------------------------


def opened(place: Place) -> Socket:
    return Socket(place, "/ws/v1/visitor", origin=place.origin)


def test_it_answers_a_crowd_of_sockets_each_as_it_deserves(acme_place: Place, globex_place: Place) -> None:
    crowd = [Visitor(acme_place) for _ in range(4)]
    gina = Visitor(globex_place)
    with crowd[0].socket() as tab:
        crowd[0].say(tab, "你们的退货政策是什么？")
        tab.expect("message", seq=2)
    hellos = [
        *((acme_place, {"token": visitor.token}) for visitor in crowd * 3),
        (acme_place, {"token": crowd[0].token, "after": {crowd[0].conversation: 1}}),
        (acme_place, {"token": crowd[0].token, "after": {crowd[0].conversation: FARTHEST}}),
        (acme_place, {"token": crowd[1].token, "after": {crowd[0].conversation: 0}}),
        (globex_place, {"token": gina.token}),
    ]
    refused = [
        (acme_place, {"token": gina.token}),
        (globex_place, {"token": crowd[0].token}),
        (acme_place, {}),
    ]
    sockets = [opened(place) for place, _hello in [*hellos, *refused]]
    leaving = [opened(acme_place) for _ in range(3)]
    for socket, (_place, hello) in zip(sockets, [*hellos, *refused], strict=True):
        socket.send("hello", **hello)
    for socket in leaving:
        socket.send("hello", token=crowd[2].token)
        socket.line.socket.close()
    whose = [*crowd * 3, crowd[0], crowd[0], crowd[1], gina]
    welcomes = [socket.expect("welcome") for socket in sockets[: len(hellos)]]
    shown = [[state["conversation"] for state in welcome["conversations"]] for welcome in welcomes]
    assert shown == [[visitor.conversation] for visitor in whose]
    seqs = [[message["seq"] for message in welcome["messages"]] for welcome in welcomes]
    assert seqs == [[1, 2], [], [], []] * 3 + [[2], [], [], []]
    assert [socket.closed() for socket in sockets[len(hellos) :]] == [4001] * 3
    assert crowd[2].say(sockets[2], "Still here?")["type"] == "ack"
    for socket in sockets:
        socket.line.close()


def test_it_turns_away_the_crowd_of_a_company_that_is_suspended_and_no_other(
    globex_place: Place, live_globex: Tenant, visitor: Visitor
) -> None:
    gina = Visitor(globex_place)
    theirs, ours = [opened(globex_place) for _ in range(3)], [opened(visitor.place) for _ in range(3)]
    with suspended(live_globex, gina):
        assert theirs[0].closed() == 4090  # the process knows by now
        for socket in theirs[1:]:
            with pytest.raises(ConnectionClosed, match="4090"):
                socket.send("hello", token=gina.token)
                socket.expect("welcome")
        for socket in ours:
            socket.send("hello", token=visitor.token)
        assert {socket.expect("welcome")["type"] for socket in ours} == {"welcome"}
    for socket in ours:
        socket.line.close()
