"""Passwords cannot be guessed by trying: attempts are counted by address and by login, on every door that takes a password."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from redis import RedisError

from tenants.addresses import client_address
from tenants.redis import sync_redis

logger = logging.getLogger(__name__)

WINDOW = 300  # seconds
BY_ADDRESS, BY_LOGIN = 30, 10  # attempts in a window; an office may share one address
View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """Answers 429 to who tries too often, before any password is looked at."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and tries_too_often(request):
            text = _("Too many attempts to log in. Please wait five minutes.")
            return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
        return view(request, *args, **kwargs)

    return checked


def tries_too_often(request: HttpRequest) -> bool:
    schema = request.tenant.schema_name  # type: ignore[attr-defined]
    by_address = _count(schema, "address", client_address(request)) > BY_ADDRESS
    by_login = _count(schema, "login", request.POST.get("username", "")[:150].lower()) > BY_LOGIN
    return settings.LIMITS and (by_address or by_login)


def _count(schema: str, what: str, who: str) -> int:
    key = f"kefu:{{{schema}}}:logins:{what}:{who}"
    try:
        with sync_redis().pipeline() as commands:
            commands.incr(key)
            commands.expire(key, WINDOW, nx=True)
            return int(commands.execute()[0])
    except RedisError:
        logger.warning("Redis did not count a login; let through")
        return 0
