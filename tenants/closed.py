"""What is said where nobody is served: a page to people, problem details (RFC 9457) to programs. Needs no host, file or database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _

HTML, JSON = "text/html", "application/json"
HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language, Cookie",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Closed:
    status: int
    code: str
    title: Any  # lazy translations
    text: Any
    retry_after: int = 0  # seconds; 0: nobody knows


NOBODY = Closed(
    404,
    "not_found",
    _("Page not found"),
    _("There is nothing at this address. It may have moved, or it was never here."),
)
SUSPENDED = Closed(
    503,
    "suspended",
    _("This service is suspended."),
    _("Nothing is lost, and it may open again. Until then, please reach the company in another way."),
)
UPDATING = Closed(
    503,
    "updating",
    _("Back in a minute"),
    _("This service is being updated. Please try again in a minute."),
    retry_after=10,
)


def response(request: HttpRequest, closed: Closed) -> HttpResponse:
    """In the language that the browser asks for, as there is no tenant whose language it could be."""
    with translation.override(translation.get_language_from_request(request)):
        said = _problem(closed) if _is_program(request) else _page(closed)
    for name, value in HEADERS.items():
        said[name] = value
    if closed.retry_after:
        said["Retry-After"] = str(closed.retry_after)
    said._has_been_logged = True  # type: ignore[attr-defined]  # strangers must not fill the log
    return said


def _is_program(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or request.get_preferred_type([HTML, JSON]) == JSON


def _page(closed: Closed) -> HttpResponse:
    return HttpResponse(render_to_string("closed.html", {"closed": closed}), status=closed.status)


def _problem(closed: Closed) -> HttpResponse:
    problem: dict[str, Any] = {
        "title": str(closed.title),
        "status": closed.status,
        "code": closed.code,
        "message": str(closed.text),
        "temporary": closed.status == 503,
    }
    if closed.retry_after:
        problem["retry_after"] = closed.retry_after
    return JsonResponse(problem, status=closed.status, content_type="application/problem+json")
