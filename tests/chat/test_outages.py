"""What a visitor and an agent see of Redis, of the web process and of each other when something goes away under them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from redis import Redis

from chat.drafts import Draft
from chat.models import Conversation, Message
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Place, Socket, Visitor, agent_socket
from tests.chat.conftest import login, web_process
from tests.chat.sending import write
from tests.conftest import make_agent
from tests.line import Line


def say_silently(visitor: Visitor, tenant: Tenant, text: str) -> None:
    """A message that is committed and that no bell speaks of, as when Redis is away."""
    with inside(tenant):
        conversation = Conversation.objects.get(pk=visitor.conversation)
        draft = Draft(conversation.pk, Message.Sender.VISITOR, conversation.visitor_id, text, text)
        with transaction.atomic():
            assert write(draft).outcome == "new"


def cut_subscriptions() -> None:
    Redis.from_url(os.environ["REDIS_URL"]).client_kill_filter(_type="pubsub")


def test_it_sends_by_itself_what_came_while_the_line_to_redis_was_cut(
    visitor: Visitor, tab: Socket, live_acme: Tenant, console: Callable[[str], Socket]
) -> None:
    ann = console("Ann")
    ann.ask("conversation.take_over", conversation=visitor.conversation)
    ann.ask("subscribe", conversation=visitor.conversation)
    tab.expect("conversation", state="agent")
    say_silently(visitor, live_acme, "nobody heard this")
    cut_subscriptions()
    tab.expect("message", text="nobody heard this")
    news = {ann.expect(is_news)["type"] for _ in range(2)}  # in whichever order
    assert news == {"message", "welcome"}
    for socket in (tab, ann):
        assert [frame["seq"] for frame in socket.all("message")].count(2) == 1


def is_news(frame: dict[str, object]) -> bool:
    return frame["type"] == "welcome" or frame.get("text") == "nobody heard this"


def test_it_tells_what_was_committed_by_a_process_that_was_killed_before_the_bell(
    visitor: Visitor, tab: Socket, live_acme: Tenant
) -> None:
    with visitor.socket() as other:
        say_silently(visitor, live_acme, "committed, and no bell")
        for socket in (tab, other):
            assert socket.expect("message")["text"] == "committed, and no bell"


def test_it_tells_nothing_twice_and_nothing_late_after_an_outage(visitor: Visitor, tab: Socket) -> None:
    visitor.say(tab, "转人工")
    cut_subscriptions()
    visitor.say(tab, "one more")
    tab.expect("message", text="one more")
    seqs = [frame["seq"] for frame in tab.all("message")]
    assert seqs == list(range(1, len(seqs) + 1))


def test_it_acknowledges_while_redis_is_silent_and_tells_the_others_afterwards(
    visitor: Visitor, tab: Socket, live_acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inside(live_acme):
        key = login(live_acme, make_agent("Ann"))
    with Line(os.environ["REDIS_URL"]) as line:
        monkeypatch.setenv("REDIS_URL", line.address)
        with web_process("bereft") as (port, _pid):
            place = Place(visitor.place.host, port)
            ann, own = agent_socket(place, key), Visitor(place, token=visitor.token).socket()
            line.flows.clear()
            for text in ("你们的退货政策是什么？", "hello?", "still there?"):
                assert visitor.say(own, text, id=f"m{len(text)}")["type"] == "ack"
            assert ann.ask("conversation.take_over", conversation=visitor.conversation)["type"] == "ack"
            assert ann.ask("message.send", conversation=visitor.conversation, text="Yes.")["type"] == "ack"
            line.flows.set()
            said = tab.expect("message", text="Yes.")
            assert [frame["seq"] for frame in tab.all("message")] == list(range(1, said["seq"] + 1))
            for socket in (ann, own):
                socket.line.close()


@pytest.fixture
def second_web(acme_place: Place) -> Iterator[tuple[Place, int]]:
    """(another web process beside the first, its number)."""
    with web_process("second") as (port, pid):
        yield Place(acme_place.host, port), pid


def test_it_says_that_it_goes_away_and_loses_nothing(
    second_web: tuple[Place, int], visitor: Visitor, live_acme: Tenant
) -> None:
    place, pid = second_web
    with inside(live_acme):
        gus = make_agent("Gus")
    ann = agent_socket(visitor.place, login(live_acme, gus))  # on the first process
    ann.ask("conversation.take_over", conversation=visitor.conversation)
    ann.ask("subscribe", conversation=visitor.conversation)
    tab = Socket(place, "/ws/v1/visitor", origin=place.origin)
    tab.send("hello", token=visitor.token)
    tab.expect("welcome")
    sent = [f"m{n}" for n in range(9)]
    for id in sent:
        tab.send("message.send", id=id, conversation=visitor.conversation, text=id)
    os.kill(pid, signal.SIGTERM)
    assert tab.closed() in (1001, 1012)
    acknowledged = {frame["id"] for frame in tab.all("ack")}
    with visitor.socket(after=0) as back:  # as a client does: what was not acknowledged is sent again
        for id in sent:
            visitor.say(back, id, id=id)
    history = [frame["text"] for frame in visitor.history("?limit=200")[1]["messages"]]
    assert [text for text in history if text in sent] == sent
    assert acknowledged <= set(history)
    ann.expect("message", text="m8")
    assert [frame["text"] for frame in ann.all("message") if frame["text"] in sent] == sent
    ann.line.close()
