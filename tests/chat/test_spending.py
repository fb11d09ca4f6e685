"""What answers cost their visitors, and how the bot saves before it stops."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from chat import spending
from chat.models import Message, VisitorDay
from chat.presence import LINGERS
from inference.turn import Tokens
from tenants import registry
from tenants.context import inside, outside
from tenants.hours import now_at
from tenants.models import Policy, Tenant, TokenDay
from tests.admin import administrator
from tests.chat.client import Socket, Visitor
from tests.conftest import Chat, open_chat
from tests.model_server import ModelServer
from tests.product import wait_until


def test_it_counts_each_visitors_day(vera: Chat, globex: Tenant) -> None:
    for tokens in (Tokens(100, 20, cost=7), Tokens(30, 0)):
        spending.add(vera.tenant, vera.visitor.pk, tokens)
    row = VisitorDay.objects.get(visitor=vera.visitor)
    assert (row.day, row.tokens, row.cost) == (now_at(vera.tenant).date(), 150, 7)
    with inside(globex):
        spending.add(globex, vera.visitor.pk, Tokens(5, 5))  # nobody of theirs
        assert not VisitorDay.objects.exists()


def test_it_forgets_old_days(vera: Chat) -> None:
    spending.add(vera.tenant, vera.visitor.pk, Tokens(1, 1))
    VisitorDay.objects.update(day=now_at(vera.tenant).date() - spending.KEPT - timedelta(days=1))
    spending.add(vera.tenant, vera.visitor.pk, Tokens(2, 2))
    spending.forget_old(vera.tenant)
    assert [row.tokens for row in VisitorDay.objects.filter(visitor=vera.visitor)] == [4]


def test_it_knows_how_much_of_the_day_a_visitor_has_used(live_acme: Tenant) -> None:
    with inside(live_acme):
        chat, other = open_chat(live_acme), open_chat(live_acme)
        spending.add(live_acme, chat.visitor.pk, Tokens(60, 15))

    async def shares() -> list[float]:
        return [await spending.share_of_visitor(live_acme, one.visitor.pk) for one in (chat, other)]

    assert asyncio.run(shares()) == [0, 0]  # no limit
    live_acme.policy.visitor_day_tokens = 100
    assert asyncio.run(shares()) == [0.75, 0]


def test_it_shows_what_today_uses_before_it_bites(acme: Tenant, globex: Tenant, vera: Chat) -> None:
    with outside():
        TokenDay.objects.create(tenant=acme, day=now_at(acme), tokens=850, estimated=0, cost=2_500_000)
        Policy.objects.filter(tenant=acme).update(day_tokens=1000, day_cost=10, visitor_day_tokens=100)
    registry.forget()  # what this process may have read just before
    spending.add(acme, vera.visitor.pk, Tokens(60, 20))
    page = administrator(acme).get("/admin/").content.decode()
    assert "850 / 1,000" in page and "Nearly used: answers come from the light provider." in page
    assert "2.50 / 10" in page and "From 80 % on answers are light." in page
    assert "1 visitor has used 80 %" in page
    neighbours = administrator(globex).get("/admin/").content.decode()
    assert "850" not in neighbours and "Nearly used" not in neighbours


def test_it_counts_an_answer_for_its_visitor_on_the_way(
    visitor: Visitor, tab: Socket, model: ModelServer, live_acme: Tenant
) -> None:
    """From the widget's socket to the rows, over a real worker."""
    visitor.say(tab, "电饭煲坏了能换吗 [tells]")
    said = tab.expect(lambda frame: frame["type"] == "message" and bool(frame.get("mode")))
    assert said["mode"] == "generated", said
    with inside(live_acme):
        answer = Message.objects.get(conversation=visitor.conversation, mode="generated")
        rows = VisitorDay.objects.filter(visitor=answer.conversation.visitor)
        wait_until(rows.exists)
        assert rows.get().tokens == 42
    asked = next(step for step in answer.path["steps"] if step["step"] == "ask_model")
    assert (asked["tokens_read"], asked["tokens_written"]) == (40, 2)


def test_it_hangs_up_on_the_model_when_its_visitor_has_left(
    visitor: Visitor, model: ModelServer, live_acme: Tenant
) -> None:
    """Not when one of two pages is closed; and whoever comes back finds what the documents say."""
    with visitor.socket() as one, visitor.socket() as other:
        visitor.say(one, "电饭煲坏了能换吗 [endless]")
        one.expect("answer.delta")
        asked = model.requests[-1]
        one.line.close()
        assert not asked.left.wait(LINGERS + 2)
        other.line.close()
        assert asked.left.wait(LINGERS + 2)
    with inside(live_acme):
        answers = Message.objects.filter(conversation=visitor.conversation, sender_kind="bot")
        wait_until(answers.exists)
        answer = answers.get()
    assert answer.mode == "extract" and "还有还有" not in answer.text
