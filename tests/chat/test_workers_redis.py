"""A worker whose Redis goes away while it has tasks in hand: the same process goes on, and each question is answered once."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import current_app
from django.db import transaction
from kombu import Connection
from redis import Redis

from chat import actions
from chat.drafts import Draft
from chat.models import Message, PendingTurn
from kefu.dev import redis
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Place
from tests.chat.sending import write
from tests.conftest import Chat, open_chat
from tests.model_server import ModelServer, Request
from tests.product import wait_until
from tests.workers import Worker

QUESTION = "电饭煲坏了能换吗"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Path]:
    """A Redis of the worker's own, which nobody else misses."""
    folder = tmp_path / "redis"
    redis.start(folder)
    yield folder
    redis.stop(folder)


def address_of(broker: Path) -> str:
    words = dict(
        line.split(" ", 1) for line in (broker / "redis.conf").read_text().splitlines() if " " in line
    )
    return f"redis://:{words['requirepass']}@127.0.0.1:{words['port']}/0"


@pytest.fixture
def worker(acme_place: Place, broker: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setenv("REDIS_URL", address_of(broker))
    with Worker("bereft@here", "llm") as worker:
        yield worker


def asks(tenant: Tenant, broker: Path, question: str) -> Chat:
    """A question of a new visitor's, put onto the worker's own queue."""
    with inside(tenant):
        chat = open_chat(tenant)
        about = (chat.conversation.pk, Message.Sender.VISITOR, chat.visitor.pk, uuid.uuid4().hex)
        with transaction.atomic():
            written = write(Draft(*about, question))
    with Connection(address_of(broker)) as line:
        current_app.send_task(
            "chat.tasks.answer_turn", (tenant.schema_name, str(written.turn)), queue="llm", connection=line
        )
    return chat


def answers(tenant: Tenant, chat: Chat) -> int:
    with inside(tenant):
        return chat.conversation.messages.filter(sender_kind=Message.Sender.BOT).count()


def is_answered(tenant: Tenant, broker: Path) -> Chat:
    chat = asks(tenant, broker, f"{QUESTION} [slow]")
    wait_until(lambda: answers(tenant, chat), 60)
    return chat


def kill(broker: Path) -> None:
    """And start it anew, with nothing in it."""
    address = address_of(broker)
    os.kill(redis.running(broker) or 0, signal.SIGKILL)
    wait_until(lambda: redis.running(broker) is None)
    (broker / "dump.rdb").unlink(missing_ok=True)
    redis.start(broker, address)


def cut_clients(broker: Path) -> None:
    """Nothing is forgotten: what was in hand is handed out once more."""
    with Redis.from_url(address_of(broker)) as line:
        line.client_kill_filter(_type="normal")


@pytest.mark.parametrize("outage", [kill, cut_clients])
def test_it_lives_on_when_redis_goes_away_under_its_tasks(
    live_acme: Tenant, broker: Path, worker: Worker, model: ModelServer, outage: Callable[[Path], None]
) -> None:
    asked = len(model.requests)
    chats = [asks(live_acme, broker, f"{QUESTION} [slow]") for _ in range(3)]
    chats.append(asks(live_acme, broker, f"{QUESTION} [endless]"))
    wait_until(lambda: len(model.requests) == asked + 4, 60)
    outage(broker)
    for chat in chats[:3]:
        wait_until(lambda chat=chat: answers(live_acme, chat), 60)
    chats.append(is_answered(live_acme, broker))  # reconnected, with one task still in hand
    stop(live_acme, chats[3])
    wait_until(endless(model.requests[asked:]).left.is_set, 60)
    chats.append(is_answered(live_acme, broker))
    assert worker.is_running()
    assert [answers(live_acme, chat) for chat in chats] == [1, 1, 1, 0, 1, 1]
    with inside(live_acme):
        conversations = [chat.conversation.pk for chat in chats]
        assert not PendingTurn.objects.filter(conversation__in=conversations).exists()


def stop(tenant: Tenant, chat: Chat) -> None:
    with inside(tenant):
        actions.stop_answer(chat.visitor.pk, chat.conversation.pk)


def endless(requests: list[Request]) -> Request:
    return next(request for request in requests if "[endless]" in request.question)
