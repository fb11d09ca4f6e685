from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Who is really asking: the address that the outermost of our own proxies saw. What a client writes itself is not believed."""
    behind: int = settings.TRUSTED_PROXIES
    header = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    forwarded = [part.strip() for part in header.split(",") if part.strip()]
    if behind and len(forwarded) >= behind:
        return forwarded[-behind]
    return str(request.META.get("REMOTE_ADDR", ""))
