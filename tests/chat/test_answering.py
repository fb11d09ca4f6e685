"""The quick lane where the socket believed that a person is in charge, and none is any more."""

from __future__ import annotations

import pytest

from chat import answering, sending, turns
from chat.models import Conversation, PendingTurn
from tenants.context import database_call
from tenants.models import Tenant
from tests.conftest import Chat, open_chat


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


async def test_it_asks_a_worker_for_what_it_cannot_say(live_acme: Tenant, posted: list[str]) -> None:
    chat = await say(live_acme, "火星上能种土豆吗？")
    turn = await database_call(live_acme, lambda: PendingTurn.objects.get(conversation=chat.conversation))
    assert (turn.attempts, turn.lease_until) == (0, None)
    assert posted == [str(turn.pk)]
    await database_call(live_acme, turn.delete)
