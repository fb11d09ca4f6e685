"""A page of each demo company, with the widget in its corner by the one line that a customer would paste."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from chat.identity import sign
from chat.models import IdentityKey
from kefu.demo import content, tables
from knowledge.markdown import render as render_markdown
from knowledge.models import Document

CUSTOMER = "demo_customer"  # in the session


def page(request: HttpRequest) -> HttpResponse:
    """A tenant's start page. Who is no demo company has no shop here: its people work in the console."""
    if request.tenant.schema_name not in content.COMPANIES:  # type: ignore[attr-defined]
        return redirect("console")
    return render(request, "widget/demo.html", _company(request))


def help_article(request: HttpRequest, slug: str) -> HttpResponse:
    document = Document.objects.filter(source_url=request.path).first()
    if document is None:
        raise Http404
    context = _company(request) | {"title": document.title, "html": _body(document)}
    return render(request, "widget/help.html", context)


@require_POST
def login(request: HttpRequest) -> HttpResponse:
    """The demo shop's own login, where everybody is believed: its customers are made up."""
    company = _company(request)["company"]
    wanted = request.POST.get("customer", "")
    if wanted in [customer["id"] for customer in company["customers"]]:
        request.session[CUSTOMER] = wanted
    else:
        request.session.pop(CUSTOMER, None)
    return redirect("demo")


def _identity(customer: dict[str, str] | None) -> str:
    """What the site's server signs for the widget: who is logged in, for an hour."""
    key = IdentityKey.objects.filter(name=content.COMPANIES_KEY, is_enabled=True).first()
    if key is None or customer is None:
        return ""
    return sign(key.secret, customer["id"], timezone.now() + timedelta(hours=1), customer["name"])


def _body(document: Document) -> str:
    """The page carries the title itself: a first line that repeats it goes, and no heading stays above the second rank."""
    first, _, rest = document.text.lstrip().partition("\n")
    html = render_markdown(rest if first.lstrip("# ").strip() == document.title else document.text)
    return html.replace("<h1>", "<h2>").replace("</h1>", "</h2>")


def _company(request: HttpRequest) -> dict[str, Any]:
    schema = request.tenant.schema_name  # type: ignore[attr-defined]
    if schema not in content.COMPANIES:
        raise Http404
    company = content.read(schema, "tenant")
    known = {customer["id"]: customer for customer in company["customers"]}
    customer = known.get(request.session.get(CUSTOMER, ""))
    return {
        "company": company,
        "customer": customer,
        "numbers": tables.numbers_of(schema, customer["id"]) if customer else [],
        "identity": _identity(customer),
        "loader_url": request.build_absolute_uri(reverse("widget-loader")),
    }
