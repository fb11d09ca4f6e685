from __future__ import annotations

import asyncio
import random

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from chat.delivery import agents_group, announce, conversation_group, inside_group, ring
from tenants.context import database_call
from tenants.models import Tenant

FRAME = {"type": "typing"}


async def test_it_loses_no_cancellation(services: None) -> None:
    """An answer is stopped by cancelling it, most likely while it rings."""

    async def rings() -> None:
        while True:
            await ring("acme.conversation.1", FRAME)

    dice = random.Random(10)
    tasks = [asyncio.ensure_future(rings()) for _ in range(60)]
    for task in tasks:
        asyncio.get_running_loop().call_later(0.1 + dice.random() / 5, task.cancel)
    _ended, running = await asyncio.wait(tasks, timeout=3)
    for task in running:
        task.cancel()
    assert not running


async def test_it_rings_only_when_the_transaction_has_committed(live_acme: Tenant) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("news", channel)

    def write(fails: bool) -> None:
        with transaction.atomic():
            announce("news", FRAME | {"fails": fails})
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database_call(live_acme, write, True)
    await database_call(live_acme, write, False)
    event = await asyncio.wait_for(layer.receive(channel), 5)
    assert event["frame"] == FRAME | {"fails": False}


async def test_it_goes_on_while_redis_is_away(settings: object, caplog: pytest.LogCaptureFixture) -> None:
    layers = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:9/0"]},
    }
    settings.CHANNEL_LAYERS = {"default": layers}
    await ring("news", FRAME)
    assert "Redis did not take a typing" in caplog.text


def test_it_names_groups_by_their_tenant() -> None:
    for group_of in (conversation_group, inside_group):
        assert group_of("acme", 1) != group_of("globex", 1)
        assert group_of("acme", 1).startswith("acme.")
    assert agents_group("acme") != agents_group("globex")
    assert conversation_group("acme", 1) != inside_group("acme", 1)
