"""Requests to addresses that a tenant chose: they reach the public internet, and what the operator allows by name.

A name is looked up once, each address it has is judged, and the connection goes to one of those: no second look-up can say
something else. Redirects are not followed. Time and size have limits that no slow or endless answer can stretch.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any

import httpcore2
import httpx2
from django.conf import settings
from django.utils.translation import gettext as _

SECONDS = 10.0  # for all of a request
MOST_BYTES = 64 * 1024  # of an answer; the rest is not read
MOST_OF_A_REPLY = 256 * 1024  # bytes, where a part would be of no use
PORTS = (80, 443)  # and those above 1023: a message to a mail server could pass for a command
MANY: dict[str, Any] = {"max_connections": 1000, "max_keepalive_connections": 20, "keepalive_expiry": 5.0}
UNICAST = IPv6Network("2000::/3")
# Global by the registry, but none of anybody's own servers: protocol assignments, 6to4 and its relays, documentation, a cloud's host.
TRICKY: list[IPv4Network | IPv6Network] = [
    *map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")),
    *map(IPv6Network, ("2001::/23", "2002::/16", "3fff::/20")),
]


class Refused(Exception):
    """The address may not be asked; the text says why."""


class Unreachable(Exception):
    """No answer, or none in time; the text says why."""


@dataclass(frozen=True)
class Reply:
    status: int
    text: str
    ms: float


def post(url: str, body: bytes, headers: dict[str, str]) -> Reply:
    """Raises Refused or Unreachable; whatever status comes back is an answer."""
    target = checked(url)
    began = time.monotonic()
    try:
        with httpcore2.ConnectionPool(_tls(), network_backend=_Guard(target, began + SECONDS)) as pool:
            told = {"Host": target.netloc.decode(), "User-Agent": "Kefu", "Connection": "close", **headers}
            with pool.stream("POST", _parsed(target), headers=[*told.items()], content=body) as answer:
                text = _start_of(answer.iter_stream())
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise Unreachable(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        ) from error
    return Reply(answer.status, text, (time.monotonic() - began) * 1000)


def checked(url: str) -> httpx2.URL:
    """The address, if its form is one of those that may be asked. Where it leads is found out when it is asked. Raises Refused."""
    try:
        target = httpx2.URL(url)
        port = _port(target)
    except (httpx2.InvalidURL, ValueError) as error:
        raise Refused(_("This is no web address.")) from error
    if target.scheme not in ("http", "https") or not target.raw_host or target.userinfo:
        raise Refused(_("Only http:// and https:// addresses without a login can be asked."))
    _check_port(_host(target), port)
    return target


def _check_port(host: str, port: int) -> None:
    usual = port in PORTS or 1024 <= port < 65536
    if not usual and not _is_allowed(host, port):
        raise Refused(_("Port %(port)d may not be asked.") % {"port": port})


def refusal(url: str) -> str:
    """Why the address may not be asked, as far as can be told now; empty if it may."""
    try:
        target = checked(url)
        addresses(_host(target), _port(target))
    except Refused as refused:
        return str(refused)
    except OSError:  # a name that is not known yet
        pass
    return ""


def addresses(host: str, port: int) -> list[str]:
    """Where `host` is, if it may be asked: every address of it must be public. Raises Refused, or OSError for an unknown name."""
    _check_port(host, port)
    try:
        found = resolve(host, port)
    except UnicodeError as error:
        raise Refused(_("This is no web address.")) from error
    if not _is_allowed(host, port) and not all(map(is_public, found)):
        refused = _(
            "%(host)s is not on the public internet. Whoever runs this installation can allow it: %(setting)s"
        )
        raise Refused(refused % {"host": host, "setting": f"KEFU_OUTBOUND_ALLOW={_place(host, port)}"})
    return found


def is_public(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:  # with a zone, as link-local ones have
        return False
    usual = not ip.is_reserved if isinstance(ip, IPv4Address) else ip in UNICAST
    return usual and ip.is_global and not ip.is_multicast and not any(ip in network for network in TRICKY)


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_kind, address in found))


def connect(address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
    return httpcore2.SyncBackend().connect_tcp(address, port, seconds, socket_options=())


def transport() -> httpx2.HTTPTransport:
    """For libraries that take a client of their caller: it connects to no other addresses than `post`. Time is theirs to limit."""
    made = httpx2.HTTPTransport(verify=_tls())
    made._pool = httpcore2.ConnectionPool(_tls(), **MANY, network_backend=_Judge())
    return made


def async_transport() -> httpx2.AsyncHTTPTransport:
    made = httpx2.AsyncHTTPTransport(verify=_tls())
    made._pool = httpcore2.AsyncConnectionPool(_tls(), **MANY, network_backend=_AsyncJudge())
    return made


def client() -> httpx2.AsyncClient:
    """For a question or two to one address: no redirects, at most MOST_OF_A_REPLY of an answer. Time is its user's to limit."""
    return httpx2.AsyncClient(
        transport=_Bounded(async_transport()),
        timeout=SECONDS,
        trust_env=False,
        headers={"User-Agent": "Kefu", "Accept-Encoding": "identity"},
    )


class _Bounded(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncHTTPTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self.inner.handle_async_request(request)
        if answer.headers.get("Content-Encoding", "identity") != "identity":  # a little that unpacks to a lot
            await answer.aclose()
            raise httpx2.DecodingError("packed, though that was not asked for", request=request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        answer.stream = _Bounds(answer.stream)
        return answer

    async def aclose(self) -> None:
        await self.inner.aclose()


class _Bounds(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_OF_A_REPLY
        async for piece in self.stream:
            left -= len(piece)
            if left < 0:
                raise httpx2.ReadError(f"more than {MOST_OF_A_REPLY // 1024} KiB")
            yield piece

    async def aclose(self) -> None:
        await self.stream.aclose()


def _host(target: httpx2.URL) -> str:
    return target.raw_host.decode()


def _port(target: httpx2.URL) -> int:
    return target.port if target.port is not None else {"https": 443}.get(target.scheme, 80)


def _parsed(target: httpx2.URL) -> httpcore2.URL:
    """Taken apart once: two parsers could see two hosts in one address."""
    return httpcore2.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=_port(target), target=target.raw_path
    )


def _is_allowed(host: str, port: int) -> bool:
    """By the operator, this very name with this very port."""
    return _place(host, port) in settings.OUTBOUND_ALLOW


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _start_of(pieces: Iterable[bytes]) -> str:
    text = b""
    for piece in pieces:
        text += piece
        if len(text) >= MOST_BYTES:
            break
    return text[:MOST_BYTES].decode("utf-8", "replace")


@cache
def _tls() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()


class _Guard(httpcore2.NetworkBackend):
    """Connects to checked addresses of one target; everything on these connections ends at `until` (monotonic)."""

    def __init__(self, target: httpx2.URL, until: float) -> None:
        self.target, self.until = target, until

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        return _Timed(_connect_to_one(_host(self.target), port, lambda: _left(self.until)), self.until)


class _Judge(httpcore2.NetworkBackend):
    """Connects to whatever host may be asked."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore2.NetworkStream:
        with _said_to_clients():
            return _connect_to_one(host, port, lambda: timeout or SECONDS)


class _AsyncJudge(httpcore2.AsyncNetworkBackend):
    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore2.AsyncNetworkStream:
        error: Exception = OSError("no address")
        with _said_to_clients():
            found = await asyncio.to_thread(addresses, host, port)
        for address in found:
            try:
                return await httpcore2.AnyIOBackend().connect_tcp(address, port, timeout or SECONDS)
            except httpcore2.ConnectError as failure:
                error = failure
        raise error

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def _said_to_clients() -> Iterator[None]:
    """In their own terms, which libraries above them expect."""
    try:
        yield
    except (Refused, OSError) as error:
        raise httpcore2.ConnectError(str(error)) from error


def _connect_to_one(host: str, port: int, seconds: Callable[[], float]) -> httpcore2.NetworkStream:
    error: Exception = OSError("no address")
    for address in addresses(host, port):
        try:
            return connect(address, port, seconds())
        except httpcore2.ConnectError as failure:
            error = failure
    raise error


class _Timed(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, until: float) -> None:
        self.stream, self.until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _left(self.until))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self.stream.start_tls(ssl_context, server_hostname, _left(self.until))
        return _Timed(stream, self.until)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout(f"not done after {SECONDS:g} s")
    return left
