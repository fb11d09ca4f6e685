"""The writer on its own connection: what is sent at once is committed at once, and harms nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from django.db import connection, transaction

from chat import actions, delivery, sending, writer
from chat.drafts import Draft, Written
from chat.models import Conversation, Message, PendingTurn
from inference.turn import Answer
from kefu.errors import Overloaded
from tenants.context import database_call, inside
from tenants.models import Tenant
from tests.chat.test_delivery import Ear
from tests.conftest import Chat, open_chat


@pytest.fixture
def chats(live_acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Chat]]:
    """Five conversations whose turns no worker is told of."""
    monkeypatch.setattr(sending, "send_turn", lambda *_turn: None)
    with inside(live_acme):
        opened = [open_chat(live_acme) for _ in range(5)]
        ids = [chat.conversation.pk for chat in opened]
    yield opened
    with inside(live_acme):
        PendingTurn.objects.filter(conversation__in=ids).delete()


def draft(chat: Chat, client_id: str = "one", text: str = "hello") -> Draft:
    return Draft(chat.conversation.pk, "visitor", chat.visitor.pk, client_id, text)


async def send(*chats: Chat, **fields: str) -> list[Written | BaseException]:
    letters = [writer.write(chat.tenant, draft(chat, **fields)) for chat in chats]
    return await asyncio.gather(*letters, return_exceptions=True)


def rows(chat: Chat) -> list[Message]:
    with inside(chat.tenant):
        return list(chat.conversation.messages.all())


def said(chat: Chat) -> list[tuple[int, str]]:
    return [(message.seq, message.text) for message in rows(chat)]


async def call(chat: Chat, function: object, *args: object) -> object:
    return await database_call(chat.tenant, function, *args)


async def test_it_writes_a_group_in_one_transaction(chats: list[Chat]) -> None:
    await send(*chats, client_id="warm-up")
    await send(*chats)
    ids = [chat.conversation.pk for chat in chats]

    def transactions() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(DISTINCT xmin::text) FROM chat_message WHERE client_id = 'one' AND conversation_id = ANY(%s)",
                [ids],
            )
            return int(cursor.fetchone()[0])

    assert await call(chats[0], transactions) == 1


async def test_it_gives_a_hundred_copies_one_number(chats: list[Chat]) -> None:
    chat, other = chats[:2]
    copies = [send(chat, client_id="same") for _ in range(100)]
    written = [one for (one,) in await asyncio.gather(*copies)]
    await send(other)
    assert {one.message.seq for one in written} == {1}
    assert [one.outcome for one in written].count("new") == 1
    assert await call(chat, said, chat) == [(1, "hello")]
    assert await call(chat, said, other) == [(1, "hello")]


async def test_it_counts_without_holes_whatever_is_sent_at_once(chats: list[Chat]) -> None:
    chat = chats[0]
    await asyncio.gather(*(send(chat, client_id=str(n), text=str(n)) for n in range(30)))
    assert [seq for seq, _text in await call(chat, said, chat)] == list(range(1, 31))


async def test_it_writes_each_message_into_its_own_company(chats: list[Chat], live_globex: Tenant) -> None:
    gina = await database_call(live_globex, open_chat, live_globex)
    strange = Chat(live_globex, chats[0].visitor, chats[0].conversation)
    hers, his, nobodys = await send(gina, chats[0], strange)
    assert [one.outcome for one in (hers, his, nobodys)] == ["new", "new", "not_found"]
    assert await call(gina, said, gina) == [(1, "hello")]
    assert await call(chats[0], said, chats[0]) == [(1, "hello")]
    await database_call(live_globex, lambda: PendingTurn.objects.all().delete())


async def test_it_lets_poison_fail_alone(chats: list[Chat]) -> None:
    letters = [draft(chat) for chat in chats]
    await call(chats[0], lambda: chats[0].conversation.delete())
    letters[1].text = "no database keeps a \x00"
    letters[2].author = chats[3].visitor.pk
    written = await asyncio.gather(*(writer.write(chats[0].tenant, one) for one in letters))
    assert [one.outcome for one in written] == ["not_found", "failed", "not_found", "new", "new"]
    assert await call(chats[4], said, chats[4]) == [(1, "hello")]


async def test_it_waits_for_a_held_conversation_and_lets_the_others_pass(chats: list[Chat]) -> None:
    held, free = chats[:2]
    holds, may_go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        with transaction.atomic():
            Conversation.objects.select_for_update().get(pk=held.conversation.pk)
            loop.call_soon_threadsafe(holds.set)
            asyncio.run_coroutine_threadsafe(may_go.wait(), loop).result(20)

    holding = asyncio.ensure_future(call(held, hold))
    await holds.wait()
    waiting = asyncio.ensure_future(send(held))
    assert (await send(free))[0].outcome == "new"
    assert not waiting.done()
    may_go.set()
    await holding
    assert (await waiting)[0].outcome == "new"


async def test_it_says_when_a_conversation_is_held_too_long(
    chats: list[Chat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.1)
    chat = chats[0]

    def send_while_held() -> list[Written | BaseException]:
        with transaction.atomic():
            Conversation.objects.select_for_update().get(pk=chat.conversation.pk)
            return asyncio.run_coroutine_threadsafe(send(chat), loop).result(20)

    loop = asyncio.get_running_loop()
    (refused,) = await call(chat, send_while_held)
    assert isinstance(refused, Overloaded) and refused.temporary
    assert await call(chat, said, chat) == []


async def test_it_comes_back_when_the_database_cut_its_line(chats: list[Chat]) -> None:
    await send(chats[0])
    line: psycopg.AsyncConnection = await writer._connection()

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [line.info.backend_pid])

    await call(chats[0], cut)
    first, second = (await send(chats[1]))[0], (await send(chats[1]))[0]
    assert isinstance(first, Overloaded) or first.outcome == "new"
    assert second.outcome in ("new", "known")
    assert await call(chats[1], said, chats[1]) == [(1, "hello")]


async def test_it_tells_everybody_of_a_message_whose_sender_hung_up(chats: list[Chat]) -> None:
    chat, ear = chats[0], Ear()
    await delivery.listen(delivery.conversation_topic("acme", chat.conversation.pk), ear)
    sender = asyncio.ensure_future(writer.write(chat.tenant, draft(chat)))
    await asyncio.sleep(0)
    sender.cancel()
    assert (await ear.next()).seq == 1
    assert await call(chat, said, chat) == [(1, "hello")]


async def test_it_asks_the_workers_once_for_what_the_bot_cannot_say_at_once(chats: list[Chat]) -> None:
    chat = chats[0]
    first, second = (await send(chat, client_id="1"))[0], (await send(chat, client_id="2"))[0]
    assert first.turn and second.turn is None
    pending = await call(chat, lambda: PendingTurn.objects.get(conversation=chat.conversation))
    assert (pending.pk, pending.through_seq, pending.attempts) == (first.turn, 1, 0)


async def test_it_leaves_to_the_workers_what_was_answered_without_knowing_the_last_message(
    chats: list[Chat],
) -> None:
    chat, answer = chats[0], Answer("seven days", "verbatim")

    async def ask(client_id: str, follows: int) -> Written:
        asked = replace(draft(chat, client_id), answer=answer, follows=follows)
        return await writer.write(chat.tenant, asked)

    knows = await ask("one", 0)
    knows_not = await ask("two", 1)
    assert knows.answer and not knows.turn
    assert knows_not.turn and not knows_not.answer
    assert [text for _seq, text in await call(chat, said, chat)] == ["hello", "seven days", "hello"]


async def test_it_counts_what_agents_have_not_read(chats: list[Chat]) -> None:
    chat = chats[0]
    for n in range(3):
        await send(chat, client_id=str(n))
    await call(chat, actions.mark_read, chat.conversation, Message.Sender.AGENT, 2)
    assert (await call(chat, chat.now)).unread == 1
