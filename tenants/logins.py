"""Passwords cannot be guessed by trying: attempts are counted by address and by login, on every door that takes a password."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from tenants.addresses import client_address, network
from tenants.counting import take_now

WINDOW = 300  # seconds
BY_ADDRESS, BY_LOGIN = 30, 10  # attempts in a window; an office may share one address
View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """Answers 429 to who tries too often, before any password is looked at."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and tries_too_often(request):
            text = _("Too many attempts to log in. Please wait five minutes.")
            headers = {"Retry-After": str(WINDOW)}
            return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8", headers=headers)
        return view(request, *args, **kwargs)

    return checked


def tries_too_often(request: HttpRequest) -> bool:
    schema = request.tenant.schema_name  # type: ignore[attr-defined]
    address = network(client_address(request))
    login = request.POST.get("username", "")[:150].lower()
    names = {f"logins:address:{address}": BY_ADDRESS, f"logins:login:{login}": BY_LOGIN}
    return settings.LIMITS and take_now(schema, names, WINDOW) > 0
