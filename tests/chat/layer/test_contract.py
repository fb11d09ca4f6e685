"""What Channels asks of any layer; the one that can stand in for ours must do it as well."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels_redis.pubsub import RedisPubSubChannelLayer

from chat.layer import BellLayer
from tests.chat.layer.parts import Make, Store, heard, numbered, reader, settled, until

KINDS = pytest.mark.parametrize("kind", [BellLayer, RedisPubSubChannelLayer])


@KINDS
async def test_it_carries_a_message_to_the_channel_it_is_for(store: Store, make: Make, kind: Any) -> None:
    here, there = make(store.url, kind), make(store.url, kind)
    ann, bob = await here.new_channel(), await here.new_channel()
    await settled(store, here)
    message = {"type": "test", "text": "你好", "n": 1.5, "none": None, "list": [1, {"deep": True}]}

    for layer in (here, there):
        await layer.send(ann, message)
        await layer.send(bob, numbered("bob"))

        assert await heard(here, ann) == message
        assert await heard(here, bob) == numbered("bob")


@KINDS
async def test_it_names_every_channel_anew(store: Store, make: Make, kind: Any) -> None:
    layers = [make(store.url, kind) for _ in range(2)]
    assert len({await layer.new_channel() for layer in layers for _ in range(50)}) == 100


@KINDS
async def test_it_carries_a_group_to_its_members_in_all_processes_and_to_nobody_else(
    store: Store, make: Make, kind: Any
) -> None:
    here, there = make(store.url, kind), make(store.url, kind)
    ann, bob = await reader(here, "acme.1"), await reader(here, "acme.1")
    carol, gus = await reader(there, "acme.1"), await reader(there, "globex.1")
    await settled(store, here, there)

    await here.group_send("acme.1", numbered(1))
    for layer, channel in ((here, ann), (here, bob), (there, carol)):
        assert await heard(layer, channel) == numbered(1)
        await there.send(channel, numbered("no second one"))
        assert await heard(layer, channel) == numbered("no second one")

    await here.group_send("globex.1", numbered(2))
    assert await heard(there, gus) == numbered(2)


@KINDS
async def test_it_leaves_those_in_peace_who_have_left_a_group(store: Store, make: Make, kind: Any) -> None:
    here, there = make(store.url, kind), make(store.url, kind)
    ann, bob = await reader(here, "g", "other"), await reader(here, "g")
    await settled(store, here)

    await here.group_discard("g", ann)
    await here.group_discard("g", ann)
    await here.group_discard("never", ann)
    await there.group_send("g", numbered(1))
    await there.group_send("other", numbered(2))

    assert await heard(here, ann) == numbered(2)
    assert await heard(here, bob) == numbered(1)


@KINDS
async def test_it_takes_back_who_has_left(store: Store, make: Make, kind: Any) -> None:
    here, there = make(store.url, kind), make(store.url, kind)
    ann = await reader(here, "g")
    for n in range(20):
        await here.group_discard("g", ann)
        await here.group_add("g", ann)
        await settled(store, here)
        await there.group_send("g", numbered(n))
        assert await heard(here, ann) == numbered(n)


@KINDS
async def test_it_keeps_the_order_and_lets_empty_groups_be(store: Store, make: Make, kind: Any) -> None:
    here, there = make(store.url, kind), make(store.url, kind)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    await settled(store, here, there)
    for n in range(300):
        await here.group_send("g", numbered(n))
        await here.group_send("nobody", numbered(n))
    for layer, channel in ((here, ann), (there, bob)):
        assert [(await heard(layer, channel))["n"] for _ in range(300)] == list(range(300))


@KINDS
async def test_it_begins_anew_after_a_flush(store: Store, make: Make, kind: Any) -> None:
    layer = make(store.url, kind)
    await reader(layer, "g")
    before = store.lines()
    await layer.flush()
    await until(lambda: store.lines() < before)

    ann = await reader(layer, "h")
    await settled(store, layer)
    await layer.group_send("g", numbered(1))
    await layer.group_send("h", numbered(2))
    assert await heard(layer, ann) == numbered(2)


@KINDS
async def test_it_serves_each_loop_of_a_process(store: Store, make: Make, kind: Any) -> None:
    layer = make(store.url, kind)
    ann = await reader(layer, "g")
    await settled(store, layer)
    lines = store.lines()

    async def another() -> None:
        bob = await reader(layer, "h")
        await settled(store, layer)
        await layer.group_send("h", numbered("bob"))
        assert await heard(layer, bob) == numbered("bob")
        await layer.group_send("g", numbered("ann"))

    for _ in range(3):
        await asyncio.to_thread(asyncio.run, another())
        assert await heard(layer, ann) == numbered("ann")
    await until(lambda: store.lines() == lines)


@KINDS
async def test_it_is_used_from_threads_that_have_no_loop(store: Store, make: Make, kind: Any) -> None:
    layer = make(store.url, kind)
    ann = await reader(layer, "g")
    await settled(store, layer)
    lines = store.lines()

    threads = [
        threading.Thread(target=lambda n=n: async_to_sync(layer.group_send)("g", numbered(n)))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()

    assert {(await heard(layer, ann))["n"] for _ in threads} == set(range(20))
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    await until(lambda: store.lines() == lines)
