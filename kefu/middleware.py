from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

# The admin's theme is written for Alpine, which compiles expressions from attributes, and sets colours in a style element.
# It has no inline script, and gets none.
ADMIN_SOURCES = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class AdminContentSecurityPolicy:
    """Relaxes django-csp's policy under /admin/, and only there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_update = ADMIN_SOURCES  # type: ignore[attr-defined]
        return response


class AdminTimeZone:
    """Under /admin/, times are those of the tenant."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with timezone.override(ZoneInfo(request.tenant.time_zone)):  # type: ignore[attr-defined]
            return self.get_response(request)
