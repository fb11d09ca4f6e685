"""The quick lane: where the socket believed that a person is in charge, and none is any more; and through a long conversation."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from chat import answering, limits, sending, turns
from chat.models import Conversation, PendingTurn, Visitor
from inference import dialogue as dialogues
from tenants.context import database_call
from tenants.models import Tenant
from tests.chat.test_ownership import texts
from tests.conftest import Chat, open_chat
from tests.inference.turns import a_mind, an_entry

CHINESE = ("我要转人工", "好的", "现在没有人工客服在线")
ENGLISH = ("I want to talk to a person", "Of course", "Nobody is there right now")


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Conversations of which workers were told; none really is."""
    told: list[str] = []
    for module in (sending, turns):
        monkeypatch.setattr(module, "send_turn", lambda _schema, turn: told.append(str(turn)))
    return told


async def say(tenant: Tenant, text: str) -> Chat:
    chat = await database_call(tenant, open_chat, tenant)
    await answering.receive(
        tenant, chat.visitor.pk, "127.0.0.1", chat.conversation.pk, "one", text, "zh-hans", thinks=False
    )
    return chat


async def test_it_answers_at_once_after_all(live_acme: Tenant, posted: list[str]) -> None:
    chat = await say(live_acme, "转人工")
    assert (await database_call(live_acme, chat.now)).state == Conversation.State.WAITING
    assert not await database_call(
        live_acme, PendingTurn.objects.filter(conversation=chat.conversation).exists
    )
    assert posted == []


@pytest.mark.parametrize(("asks", "answer", "line"), [CHINESE, ENGLISH])
async def test_it_speaks_as_the_visitor_writes_and_leaves_the_widget_as_it_is(
    live_acme: Tenant, posted: list[str], asks: str, answer: str, line: str
) -> None:
    """In a widget of the other language; who reads the console is told why in the company's."""
    chat = await database_call(live_acme, open_chat, live_acme)
    widget = "en" if asks == CHINESE[0] else "zh-hans"
    await database_call(live_acme, Visitor.objects.filter(pk=chat.visitor.pk).update, locale=widget)
    await answering.receive(
        live_acme, chat.visitor.pk, "127.0.0.1", chat.conversation.pk, "one", asks, widget
    )
    _question, said, system = await database_call(live_acme, texts, chat)
    assert said[1].startswith(answer) and system[1].startswith(line)
    now = await database_call(live_acme, chat.now)
    assert (now.reason, now.visitor.locale) == ("主动要求转人工", widget)


async def test_a_worker_speaks_as_the_visitor_writes(live_acme: Tenant, posted: list[str]) -> None:
    chat = await database_call(live_acme, open_chat, live_acme)
    for number, (question, answer) in enumerate(
        (
            ("火星上能种土豆吗？", "这个问题我没有把握"),
            ("Do potatoes grow on Mars?", "I do not know this for sure"),
        )
    ):
        await answering.receive(
            live_acme, chat.visitor.pk, "127.0.0.1", chat.conversation.pk, f"{number}", question, "en"
        )
        await answering.answer(live_acme, UUID(posted.pop()))
        assert (await database_call(live_acme, texts, chat))[-1][1].startswith(answer)


async def test_it_asks_a_worker_for_what_it_cannot_say(live_acme: Tenant, posted: list[str]) -> None:
    chat = await say(live_acme, "火星上能种土豆吗？")
    turn = await database_call(live_acme, lambda: PendingTurn.objects.get(conversation=chat.conversation))
    assert (turn.attempts, turn.lease_until) == (0, None)
    assert posted == [str(turn.pk)]
    await database_call(live_acme, turn.delete)


async def test_it_remembers_what_the_database_would_tell(
    live_acme: Tenant, posted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over more turns than are kept, from Redis and from what is at hand, and without what was refused."""
    known = tuple(an_entry(f"{n} 号会员卡怎么办理？", f"到 {n} 号柜台办理。" * n, pk=n) for n in range(1, 46))
    mind = a_mind(words={"内幕消息": "block"}, known=known)
    monkeypatch.setattr(answering, "mind_of", lambda _tenant: asyncio.sleep(0, mind))
    monkeypatch.setattr(limits, "spend_message", lambda *_whom: None)
    chat = await database_call(live_acme, open_chat, live_acme)
    identifier, last = str(chat.conversation.pk), 0
    for number, entry in enumerate(known):
        texts = [entry.question, *(["有什么内幕消息吗 62220212"] if number % 5 == 0 else [])]
        for text in texts:
            sent = await answering.receive(
                live_acme, chat.visitor.pk, "127.0.0.1", chat.conversation.pk, f"{last}", text, "zh-hans",
                after=last if number % 3 else None,
            )  # fmt: skip
            last = sent.seq + 1
    remembered = await dialogues.recall("acme", identifier)
    rebuilt = await database_call(live_acme, turns.rebuild_dialogue, chat.conversation.pk)
    assert remembered == rebuilt
    assert [question for question, _answer in rebuilt.turns] == [
        entry.question for entry in known[-dialogues.TURNS :]
    ]
    assert "24 号会员卡怎么办理" in rebuilt.earlier
    assert not any("62220212" in text for text in rebuilt.earlier)
    assert await dialogues.recall("globex", identifier) is None
    assert posted == []
