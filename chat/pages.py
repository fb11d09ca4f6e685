"""The pages people open: the widget's parts and the agents' console."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_exempt

from chat import access, limits
from kefu.errors import Unauthorised
from tenants.models import Policy

View = Callable[..., HttpResponseBase]
# A file that a page has in its hands: one that is being sent, or that was fetched with a token, which no address may hold.
OWN_FILES = {"img-src": ["blob:"]}


@cache_control(public=True, max_age=300)
def loader(request: HttpRequest) -> HttpResponse:
    tenant = request.tenant  # type: ignore[attr-defined]
    greeting = tenant.policy.words("greeting", translation.get_language())
    look = {"accent": tenant.policy.accent, "greeting": greeting}
    return render(request, "widget/loader.js", look, content_type="text/javascript; charset=utf-8")


def in_asked_language(view: View) -> View:
    """The widget names its language in `?locale=`, whatever the browser around it prefers."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        locale = request.GET.get("locale", "")
        if locale not in dict(settings.LANGUAGES):
            return view(request, *args, **kwargs)
        with translation.override(locale):
            return view(request, *args, **kwargs)

    return wrapped


@in_asked_language
@xframe_options_exempt
def panel(request: HttpRequest) -> HttpResponse:
    """The iframe's page; only the tenant's own pages and the sites it names may hold it."""
    policy = request.tenant.policy  # type: ignore[attr-defined]
    context = {"company": company(request), "allowed_origins": policy.widget_origins}
    response = render(request, "widget/panel.html", context)
    response._csp_replace = {"frame-ancestors": ["'self'", *policy.widget_origins]}  # type: ignore[attr-defined]
    response._csp_update = OWN_FILES  # type: ignore[attr-defined]
    return response


def console(request: HttpRequest) -> HttpResponse:
    try:
        agent = access.agent_of_user(request.user)
    except Unauthorised:
        return redirect("console-login")
    assigns = request.tenant.policy.assignment != Policy.Assignment.OFF  # type: ignore[attr-defined]
    context = {
        "company": company(request),
        "me": {"id": agent.pk, "name": agent.name},
        "assigns": assigns,
        "uploads": json.dumps(limits.uploads_frame(request.tenant)),  # type: ignore[attr-defined]
    }
    response = render(request, "console/console.html", context)
    response._csp_update = OWN_FILES  # type: ignore[attr-defined]
    return response


class ConsoleLogin(LoginView):
    template_name = "console/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"company": company(self.request)}


def company(request: HttpRequest) -> dict[str, str]:
    tenant = request.tenant  # type: ignore[attr-defined]
    return {"name": tenant.name, "accent": tenant.policy.accent}
