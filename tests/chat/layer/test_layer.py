"""What only our layer does."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from channels.exceptions import ChannelFull
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat.layer import BellLayer
from tests.chat.layer.parts import LOST, Cable, Make, Store, heard, numbered, reader, until


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a" * 100, "客", 7, None])
async def test_it_refuses_names_that_are_none(store: Store, make: Make, name: Any) -> None:
    layer = make(store.url)
    ann = await layer.new_channel()
    for use in (
        lambda: layer.group_add(name, ann),
        lambda: layer.group_add("g", name),
        lambda: layer.group_discard(name, ann),
        lambda: layer.group_send(name, {}),
        lambda: layer.send(name, {}),
        lambda: layer.receive(name),
    ):
        with pytest.raises(TypeError):
            await use()
    with pytest.raises(TypeError):
        layer.post(name, {})


async def test_it_has_no_groups_for_channels_of_another_process(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    with pytest.raises(ValueError, match="not read here"):
        await here.group_add("g", await there.new_channel())


async def test_it_hands_messages_over_at_once_on_the_same_loop(store: Store, make: Make) -> None:
    layer = make(store.url)
    ann = await reader(layer, "g")
    layer.post("g", numbered(1))
    waiting = layer.receive(ann)
    with pytest.raises(StopIteration) as given:
        waiting.send(None)
    assert given.value.value == numbered(1)


async def test_it_delivers_each_once_and_in_order_however_many(store: Store, make: Make) -> None:
    here, there = make(store.url, capacity=20_000), make(store.url, capacity=20_000)
    ann, bob = await reader(here, "a", "b"), await reader(there, "a", "b")
    for n in range(10_000):
        here.post("ab"[n % 2], numbered(n))
        if n % 100 == 0:
            await there.group_send("b", numbered(-1))
    for layer, channel in ((here, ann), (there, bob)):
        numbers = [(await heard(layer, channel))["n"] for _ in range(10_100)]
        for group in (0, 1):
            ours = [n for n in numbers if n >= 0 and n % 2 == group]
            assert ours == list(range(group, 10_000, 2))
        await there.group_send("a", numbered("last"))
        assert await heard(layer, channel) == numbered("last")


async def test_it_drops_what_is_too_much_and_says_so(store: Store, make: Make) -> None:
    here, there = make(store.url, capacity=3), make(store.url)
    ann = await reader(here, "g")
    for layer in (here, there):
        for n in range(7):
            await layer.group_send("g", numbered(n))
        if layer is there:
            await until(lambda: here._exchange().channels[ann].overflowed)
        with pytest.raises(ChannelFull):
            await here.send(ann, numbered("full"))
        assert [await heard(here, ann) for _ in range(4)] == [*map(numbered, range(3)), LOST]
        await here.send(ann, numbered("room again"))
        assert await heard(here, ann) == numbered("room again")


async def test_it_has_room_as_the_settings_say(store: Store, make: Make) -> None:
    layer = make(store.url, channel_capacity={"small*": 1})
    small, large = await layer.new_channel("small"), await layer.new_channel()
    for channel in (small, large, large):
        await layer.send(channel, numbered(1))
    with pytest.raises(ChannelFull):
        await layer.send(small, numbered(2))


async def test_it_subscribes_thousands_in_few_commands(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    ann = await here.new_channel()
    store.line.config_resetstat()
    names = [f"group.{n}" for n in range(5_000)]
    await asyncio.gather(*(here.group_add(name, ann) for name in names))
    assert store.line.info("commandstats")["cmdstat_subscribe"]["calls"] < 5

    for name in names:
        there.post(name, numbered(name))
    assert {(await heard(here, ann))["n"] for _ in names} == set(names)
    for name in names:
        await here.group_discard(name, ann)
    await until(lambda: not store.line.pubsub_channels("test:0:group:group.*"))


async def test_it_harms_nobody_when_callers_are_cancelled(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    rng, groups = random.Random(9), [f"tenant{n}" for n in range(20)]
    ears = {group: await reader(there, group) for group in groups}
    tasks: list[asyncio.Task[Any]] = []
    for n in range(1_000):
        group = groups[n % 20]
        tasks.append(asyncio.create_task(there.group_add(f"{group}.{n}", ears[group])))
        tasks.append(asyncio.create_task(there.receive(ears[group])))
        tasks.append(asyncio.create_task(here.group_send(group, numbered([group, n]))))
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        rng.choice(tasks).cancel()
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result is None or isinstance(result, dict | asyncio.CancelledError) for result in results)

    for group in groups:
        await here.group_send(group, numbered([group, "last"]))
        while True:
            said = (await heard(there, ears[group]))["n"]
            assert said[0] == group
            if said[1] == "last":
                break


async def test_it_loses_nothing_when_a_reader_gives_up_and_comes_back(store: Store, make: Make) -> None:
    layer = make(store.url)
    ann = await reader(layer, "g")
    for n in range(50):
        waiting = asyncio.create_task(layer.receive(ann))
        await asyncio.sleep(0)
        layer.post("g", numbered(n))
        waiting.cancel()
        try:
            assert await waiting == numbered(n)
        except asyncio.CancelledError:
            assert await heard(layer, ann) == numbered(n)


async def test_it_forgets_channels_that_nobody_reads_any_more(store: Store, make: Make) -> None:
    layer = make(store.url)
    for _ in range(10):
        waiting = asyncio.create_task(layer.receive(await layer.new_channel()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert layer._exchange().channels == {}


async def test_it_keeps_installations_apart_that_share_a_redis(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url.removesuffix("/0") + "/1")
    ann, gus = await reader(here, "acme.1"), await reader(there, "acme.1")
    await here.group_send("acme.1", numbered("ours"))
    await there.group_send("acme.1", numbered("theirs"))
    assert await heard(here, ann) == numbered("ours")
    assert await heard(there, gus) == numbered("theirs")


async def test_it_tells_the_sender_of_what_cannot_be_sent(store: Store, make: Make) -> None:
    here, there = make(store.url), make(store.url)
    ann, bob = await reader(here, "g"), await reader(there, "g")
    with pytest.raises(TypeError):
        await here.group_send("g", {"type": "test", "bad": object()})
    await here.group_send("g", numbered(1))
    assert await heard(here, ann) == await heard(there, bob) == numbered(1)


async def test_it_ignores_what_others_publish_under_our_names(
    store: Store, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    layer = make(store.url)
    ann = await reader(layer, "g")
    rng = random.Random(1)
    for data in (b"", b"hello", b"0" * 16 + b"\x07", *(b"0" * 16 + rng.randbytes(9) for _ in range(50))):
        if data[16:17] not in (b"", b"\x90"):  # an empty list says nothing
            store.line.publish("test:0:group:g", data)
    await layer.group_send("g", numbered(1))
    assert await heard(layer, ann) == numbered(1)
    await until(lambda: "Somebody else publishes" in caplog.text)


@pytest.mark.parametrize("kind", ["unix", "tls"])
async def test_it_finds_redis_behind_tls_and_in_a_file(
    store: Store, make: Make, tmp_path: Path, kind: str
) -> None:
    context = certify(tmp_path)
    cable = Cable(store, listeners(tmp_path, context)[kind])
    password = store.url.split("@")[0].split(":")[-1]
    await cable.mend()
    port = cable.server.sockets[0].getsockname()[1] if kind == "tls" else 0
    url = {
        "unix": f"unix://:{password}@{tmp_path}/socket",
        "tls": f"rediss://:{password}@localhost:{port}/0?ssl_ca_certs={tmp_path}/cert.pem",
    }[kind]
    here, there = make(url), make(store.url)
    ann = await reader(here, "g")
    await there.group_send("g", numbered(1))
    assert await heard(here, ann) == numbered(1)
    await here.flush()
    await cable.cut()


def listeners(folder: Path, context: ssl.SSLContext) -> dict[str, Callable[..., Any]]:
    return {
        "unix": lambda plug: asyncio.start_unix_server(plug, folder / "socket"),
        "tls": lambda plug: asyncio.start_server(plug, "127.0.0.1", 0, ssl=context),
    }


def certify(folder: Path) -> ssl.SSLContext:
    """A server's context for localhost; who trusts `cert.pem` trusts it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_it_refuses_an_address_that_is_none_at_once() -> None:
    with pytest.raises(ValueError, match="scheme"):
        BellLayer("http://127.0.0.1")
