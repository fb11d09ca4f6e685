"""What a tenant's addresses may lead to: the public internet, what the operator allows, and nothing else."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import translation
from pytest_django import Settings

from tenants import outbound
from tests.receiver import Receiver

PUBLIC = "93.184.215.14"


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """Allowed by the operator, as it is on loopback."""
    with Receiver() as receiver:
        settings.OUTBOUND_ALLOW = {f"127.0.0.1:{receiver.port}"}
        yield receiver


class Network:
    """Names as `resolve` gives them, look-up after look-up, and where connections went instead of the internet."""

    def __init__(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.looked_up: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.port, self.real = port, outbound.connect
        monkeypatch.setattr(outbound, "resolve", self.resolve)
        monkeypatch.setattr(outbound, "connect", self.connect)

    def resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
        self.connected.append((address, port))
        return self.real("127.0.0.1", self.port, seconds)


@pytest.fixture
def network(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(receiver.port, monkeypatch)


def test_it_posts_and_brings_the_answer(receiver: Receiver) -> None:
    reply = outbound.post(receiver.url, b'{"a": 1}', {"Content-Type": "application/json"})
    assert (reply.status, reply.text) == (200, "said 200")
    request = receiver.requests[0]
    assert (request.path, request.body) == ("/hook", b'{"a": 1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200",
        "169.254.169.254", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.1.1", "240.0.0.1", "255.255.255.255",
        "168.63.129.16", "192.88.99.1", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:93.184.215.14",
        "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001::1", "fc00::1",
        "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1",
    ],
)  # fmt: skip
def test_it_takes_no_address_for_public_that_is_not(address: str) -> None:
    assert not outbound.is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "223.5.5.5", "2606:4700::1111", "240e:ff::1"])
def test_it_knows_public_addresses(address: str) -> None:
    assert outbound.is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0", "localhost", "[::1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "127。0。0。1", "169.254.169.254", "[fd00:ec2::254]"],
)  # fmt: skip
def test_it_refuses_every_way_to_write_an_inner_address(host: str) -> None:
    with Receiver() as inner, pytest.raises((outbound.Refused, outbound.Unreachable)) as refused:
        outbound.post(f"http://{host}:{inner.port}/", b"", {})
    assert isinstance(refused.value, outbound.Refused) or host in ("[::1]", "[fd00:ec2::254]")
    assert inner.requests == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://x.example/", "ftp://x.example/", "//x.example/", "x.example", "", "http://", "http:///x",
     "http://user:password@x.example/", "http://x.example\\@y.example/", "http://x.example\r\nHost: y/", "https://x.example:99999/",
     "http://x.example:25/", "http://x.example:0/", f"http://{'x' * 70}.example/"],
)  # fmt: skip
def test_it_refuses_what_is_no_plain_web_address(url: str) -> None:
    with pytest.raises(outbound.Refused):
        outbound.post(url, b"", {})


def test_it_refuses_a_name_of_which_any_address_is_an_inner_one(network: Network, receiver: Receiver) -> None:
    network.names["mixed.example"] = [[PUBLIC, "10.0.0.1"]]
    with pytest.raises(outbound.Refused, match=r"mixed\.example is not on the public internet"):
        outbound.post("http://mixed.example/", b"", {})
    assert network.connected == [] and receiver.requests == []


def test_it_connects_to_the_address_that_it_judged(network: Network, receiver: Receiver) -> None:
    network.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
    assert outbound.post("http://rebinding.example/x?y=1", b"", {}).status == 200
    assert network.looked_up == ["rebinding.example"]
    assert network.connected == [(PUBLIC, 80)]
    assert receiver.requests[0].headers["host"] == "rebinding.example"


def test_it_judges_again_each_time_it_asks(network: Network) -> None:
    network.names["moving.example"] = [[PUBLIC], ["127.0.0.1"]]
    outbound.post("http://moving.example/", b"", {})
    with pytest.raises(outbound.Refused):
        outbound.post("http://moving.example/", b"", {})
    assert network.connected == [(PUBLIC, 80)]


def test_it_asks_what_the_operator_allows_and_no_neighbour(
    receiver: Receiver, network: Network, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW = {f"crm.internal:{receiver.port}"}
    network.names = {name: [["10.0.0.7"]] for name in ("crm.internal", "other.internal")}
    assert outbound.post(f"http://crm.internal:{receiver.port}/", b"", {}).status == 200
    for neighbour in (f"crm.internal:{receiver.port + 1}", f"other.internal:{receiver.port}", "crm.internal"):
        with pytest.raises(outbound.Refused):
            outbound.post(f"http://{neighbour}/", b"", {})
    network.names["10.0.0.7"] = [["10.0.0.7"]]
    with pytest.raises(outbound.Refused):
        outbound.post(f"http://10.0.0.7:{receiver.port}/", b"", {})
    assert len(receiver.requests) == 1


def test_it_follows_no_redirect(receiver: Receiver) -> None:
    with Receiver() as inner:
        receiver.script = [f"redirect:{inner.url}"]
        assert outbound.post(receiver.url, b"", {}).status == 302
        assert inner.requests == []


@pytest.mark.parametrize("word", ["stall", "drip"])
def test_it_waits_for_no_slow_answer(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.5)
    receiver.script = [word]
    with pytest.raises(outbound.Unreachable, match="Timeout"):
        outbound.post(receiver.url, b"", {})
    assert len(receiver.requests) == 1


def test_it_reads_the_beginning_of_an_endless_answer(receiver: Receiver) -> None:
    receiver.script = ["endless"]
    assert outbound.post(receiver.url, b"", {}).text == "x" * outbound.MOST_BYTES


@pytest.mark.parametrize("word", ["hang up", "nonsense"])
def test_it_says_that_there_was_no_answer(receiver: Receiver, word: str) -> None:
    receiver.script = [word]
    with pytest.raises(outbound.Unreachable):
        outbound.post(receiver.url, b"", {})


def test_it_says_that_nobody_listens_and_that_a_name_is_unknown(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    settings.OUTBOUND_ALLOW = {f"127.0.0.1:{port}"}
    for address in (f"http://127.0.0.1:{port}/", "http://no-such-host.invalid/"):
        with pytest.raises(outbound.Unreachable):
            outbound.post(address, b"", {})


# --- Encrypted --------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of secure.example, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_it_checks_the_certificate_against_the_name_and_not_the_address(
    network: Network, receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    receiver.socket = server.wrap_socket(receiver.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(outbound, "_tls", lambda: trusting)
    network.names = {name: [[PUBLIC]] for name in ("secure.example", "other.example")}
    assert outbound.post("https://secure.example/", b"", {}).status == 200
    assert network.connected == [(PUBLIC, 443)]
    with pytest.raises(outbound.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        outbound.post("https://other.example/", b"", {})
    assert len(receiver.requests) == 1
