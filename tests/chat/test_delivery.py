from __future__ import annotations

import asyncio

import pytest
from django.db import transaction

from chat import delivery
from chat.delivery import Bell, announce, ring
from tenants.context import database_call
from tenants.models import Tenant

FRAME = {"type": "typing", "conversation": "1"}


class Ear:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[Bell] = asyncio.Queue()

    def hear(self, bell: Bell) -> None:
        self.heard.put_nowait(bell)

    def missed(self, topics: list[str] | None) -> None:
        raise AssertionError("nothing was lost")

    async def next(self) -> Bell:
        return await asyncio.wait_for(self.heard.get(), 10)


async def test_it_reaches_everybody_who_listens_and_nobody_else(services: None) -> None:
    ann, bob, gus = Ear(), Ear(), Ear()
    for ear in (ann, bob):
        await delivery.listen("acme.conversation.1", ear)
    await delivery.listen("globex.conversation.1", gus)
    ring(["acme.conversation.1"], FRAME, sender="x")
    for ear in (ann, bob):
        bell = await ear.next()
        assert (bell.kind, bell.conversation, bell.sender) == ("typing", "1", "x")
        assert bell.text == '{"type":"typing","conversation":"1"}'
    ring(["globex.conversation.1"], FRAME)
    await gus.next()
    assert ann.heard.empty() and bob.heard.empty() and gus.heard.empty()


class Answering(Ear):
    """Whatever is typed, it says that it is there."""

    def hear(self, bell: Bell) -> None:
        super().hear(bell)
        if bell.kind == "typing":
            ring(["acme.conversation.3"], FRAME | {"type": "presence"})


async def test_it_passes_an_answer_on_behind_what_it_answers(services: None) -> None:
    ears = [Ear(), Answering(), Ear(), Ear()]
    for ear in ears:
        await delivery.listen("acme.conversation.3", ear)
    ring(["acme.conversation.3"], FRAME)
    for ear in ears:
        assert [(await ear.next()).kind, (await ear.next()).kind] == ["typing", "presence"]


async def test_it_leaves_those_in_peace_who_listen_no_more(services: None) -> None:
    ann, bob = Ear(), Ear()
    for ear in (ann, bob):
        await delivery.listen("acme.conversation.2", ear)
    await delivery.ignore("acme.conversation.2", ann)
    ring(["acme.conversation.2"], FRAME)
    await bob.next()
    assert ann.heard.empty()
    await delivery.ignore("acme.conversation.2", bob)
    await delivery.ignore("acme.conversation.2", bob)


async def test_it_rings_only_when_the_transaction_has_committed(live_acme: Tenant) -> None:
    ear = Ear()
    await delivery.listen("news", ear)

    def write(fails: bool) -> None:
        with transaction.atomic():
            announce("news", FRAME | {"type": "note" if fails else "read"})
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database_call(live_acme, write, True)
    await database_call(live_acme, write, False)
    assert (await ear.next()).kind == "read"


def test_it_names_topics_by_their_tenant() -> None:
    for topic_of in (delivery.conversation_topic, delivery.inside_topic, delivery.list_topic):
        assert topic_of("acme", "1") != topic_of("globex", "1")
        assert topic_of("acme", "1").startswith("acme.")
    assert delivery.agents_topic("acme") != delivery.agents_topic("globex")
    assert delivery.conversation_topic("acme", 1) != delivery.inside_topic("acme", 1)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("bot", {"all"}),
        ("waiting", {"waiting", "all"}),
        ("agent", {"mine.7", "all"}),
        ("closed", {"all"}),
    ],
)
def test_it_tells_the_lists_in_which_a_conversation_stands(state: str, names: set[str]) -> None:
    assert delivery.list_topics("acme", state, 7) == {delivery.list_topic("acme", name) for name in names}
