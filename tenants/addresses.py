from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Who is really asking: the address that the outermost of our own proxies saw. What a client writes itself is not believed."""
    return _address([request.META.get("HTTP_X_FORWARDED_FOR", "")], request.META.get("REMOTE_ADDR", ""))


def scope_address(scope: dict[str, Any]) -> str:
    """The same for an ASGI scope."""
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _address(headers, (scope.get("client") or ("",))[0])


def _address(headers: list[str], peer: str) -> str:
    """Each proxy appends who asked it: of `KEFU_TRUSTED_PROXIES` of them, the outermost wrote the entry that many from the end."""
    behind: int = settings.TRUSTED_PROXIES
    forwarded = [part.strip() for part in ",".join(headers).split(",") if part.strip()]
    return forwarded[-behind] if behind and len(forwarded) >= behind else peer


@lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """What counts as one address: of IPv6 the 64 bits that a provider gives to one household or server, as the rest is free to choose."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
