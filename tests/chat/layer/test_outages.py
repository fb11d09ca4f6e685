"""Redis goes away, comes back, stands still: nothing is lost without being told."""

from __future__ import annotations

import asyncio
import signal

import pytest
from asgiref.sync import async_to_sync

from chat import exchange, losses
from tests.chat.layer.parts import LOST, Cable, Make, Store, heard, numbered, reader, until


async def test_it_tells_when_redis_hangs_up_and_goes_on(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    for n in range(3):
        store.line.client_kill_filter(_type="pubsub")
        for layer, channel in ((here, ann), (there, bob)):
            assert await heard(layer, channel) == LOST
        await here.group_send("g", numbered(n))
        for layer, channel in ((here, ann), (there, bob)):
            assert await heard(layer, channel) == numbered(n)


async def test_it_tells_when_redis_was_killed_and_begins_empty(frail: Store, make: Make) -> None:
    here, there = make(frail.url), make(frail.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    frail.crash()
    frail.begin_anew()
    for layer, channel in ((here, ann), (there, bob)):
        assert await heard(layer, channel) == LOST
    await there.group_send("g", numbered(1))
    assert await heard(here, ann) == await heard(there, bob) == numbered(1)


async def test_it_does_not_mind_when_redis_is_flushed(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    ann = await reader(here, "g")
    for n in range(20):
        there.post("g", numbered(n))
        store.line.flushall()
        assert await heard(here, ann) == numbered(n)


async def test_it_waits_for_a_redis_that_stands_still_a_moment(frail: Store, make: Make) -> None:
    here, there = make(frail.url), make(frail.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    frail.signal(signal.SIGSTOP)
    there.post("g", numbered(1))
    assert await heard(there, bob) == numbered(1)
    frail.signal(signal.SIGCONT)
    assert await heard(here, ann) == numbered(1)


async def test_it_tells_of_what_may_have_passed_before_a_late_subscription(
    frail: Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "PROMPT", 0.05)
    here, there = make(frail.url), make(frail.url)
    ann = await reader(here)
    await there.new_channel()
    frail.signal(signal.SIGSTOP)
    await here.group_add("g", ann)  # returns all the same
    frail.signal(signal.SIGCONT)
    assert await heard(here, ann) == LOST
    await there.group_send("g", numbered(1))
    assert await heard(here, ann) == numbered(1)


async def test_it_gives_up_a_line_on_which_nothing_comes(
    frail: Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 0.2)
    here, there = make(frail.url), make(frail.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    frail.signal(signal.SIGSTOP)
    await there.group_send("g", numbered("too late"))  # returns: it is not waited for without end
    assert await heard(there, bob) == numbered("too late")
    monkeypatch.undo()
    frail.signal(signal.SIGCONT)
    while await heard(here, ann) != LOST:  # the one sent too late may come as well
        pass
    await there.group_send("g", numbered("end"))
    while await heard(here, ann) != numbered("end"):
        pass


async def test_it_returns_from_adding_when_redis_is_away_and_tells_once_it_is_back(
    frail: Store, make: Make
) -> None:
    here, there = make(frail.url), make(frail.url)
    ann = await reader(here)
    frail.crash()
    await asyncio.gather(*(here.group_add(f"g.{n}", ann) for n in range(2_000)))
    await here.group_discard("g.0", ann)
    frail.begin_anew()

    assert await heard(here, ann) == LOST
    await there.group_send("g.0", numbered(0))
    await there.group_send("g.1999", numbered(1999))
    assert await heard(here, ann) == numbered(1999)


async def test_it_starts_without_redis(frail: Store, make: Make) -> None:
    frail.crash()
    here, there = make(frail.url), make(frail.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    await here.group_send("g", numbered("only here"))
    await there.send(ann, numbered("gone"))
    assert await heard(here, ann) == numbered("only here")
    frail.begin_anew()

    assert await heard(there, bob) == LOST
    assert await heard(here, ann) == LOST
    await until(lambda: not here._exchange().is_down and not there._exchange().is_down)
    await there.send(ann, numbered("arrives"))
    assert await heard(here, ann) == numbered("arrives")


async def cut_off(store: Store, make: Make, *groups: str) -> tuple[Cable, object, object, str]:
    """A process whose cable is cut, and another one, which is well, with a channel in `groups`."""
    cable = Cable(store)
    await cable.mend()
    here, there = make(cable.url), make(store.url)
    bob = await reader(there, *groups)
    await here.group_send("nobody", numbered(0))
    await cable.cut()
    return cable, here, there, bob


async def test_it_tells_others_of_what_never_reached_them(store: Store, make: Make) -> None:
    cable, here, there, bob = await cut_off(store, make, "acme.1", "acme.2", "acme.3")
    ann = await reader(here, "acme.1")
    for n in (1, 1, 2):
        await here.group_send(f"acme.{n}", numbered(n))
    assert [await heard(here, ann) for _ in (1, 2)] == [numbered(1)] * 2
    await cable.mend()

    told = [await heard(there, bob) for _ in (1, 2)]
    assert sorted(message["groups"] for message in told) == [["acme.1"], ["acme.2"]]
    assert {message["type"] for message in told} == {"bell.lost"}
    await here.group_send("acme.3", numbered(3))
    assert await heard(there, bob) == numbered(3)
    await cable.cut()


async def test_it_tells_everybody_when_too_many_groups_lost_something(
    store: Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "MOST_NAMES", 3)
    cable, here, there, bob = await cut_off(store, make, "g")
    for n in range(10):
        await here.group_send(f"g.{n}", numbered(n))
    await cable.mend()
    assert await heard(there, bob) == LOST
    await cable.cut()


async def test_it_remembers_for_threads_that_come_and_go(store: Store, make: Make) -> None:
    cable, here, there, bob = await cut_off(store, make, "g")
    await here.flush()
    await asyncio.to_thread(async_to_sync(here.group_send), "g", numbered("gone"))
    await cable.mend()
    await asyncio.to_thread(async_to_sync(here.group_send), "other", numbered(1))
    assert await heard(there, bob) == {"type": "bell.lost", "groups": ["g"]}
    await cable.cut()


async def test_it_tells_of_what_a_loop_left_behind_unsent(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")

    async def leave() -> None:
        here.post("g", numbered("gone"))

    await asyncio.to_thread(asyncio.run, leave())
    await here.group_send("other", numbered(1))
    for layer, channel in ((here, ann), (there, bob)):
        assert await heard(layer, channel) == {"type": "bell.lost", "groups": ["g"]}


async def test_it_keeps_no_more_than_it_may_while_redis_stands_still(
    frail: Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MOST_WAITING", 10_000)
    here, there = make(frail.url), make(frail.url)
    ann = await reader(here, "g", "h")
    await there.new_channel()
    frail.signal(signal.SIGSTOP)
    there.post("h", numbered("first"))
    await until(lambda: there._exchange().under_way)
    for n in range(1_000):
        there.post("g", numbered(n))
    assert there._exchange().next.size < 11_000
    frail.signal(signal.SIGCONT)

    assert await heard(here, ann) == numbered("first")
    said = [await heard(here, ann)]
    while said[-1]["type"] == "test":
        said.append(await heard(here, ann))
    assert said.pop() == {"type": "bell.lost", "groups": ["g"]}
    assert said == [numbered(n) for n in range(len(said))]
    await there.group_send("g", numbered("end"))
    assert await heard(here, ann) == numbered("end")


async def test_it_speaks_of_an_outage_once(
    frail: Store, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    layer = make(frail.url)
    ann = await reader(layer, "g")
    frail.crash()
    for n in range(500):
        await layer.group_send("g", numbered(n))
    frail.begin_anew()
    while await heard(layer, ann) != LOST:
        pass
    assert caplog.text.count("Redis is away") == caplog.text.count("Redis is back") == 1


async def test_it_says_what_redis_has_against_us(
    store: Store, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    layer = make(store.url.replace("redis://:", "redis://:x"))
    await reader(layer, "g")
    await layer.group_send("g", numbered(1))
    assert "WRONGPASS" in caplog.text
    assert store.url.split("@")[0].split(":")[-1] not in caplog.text
