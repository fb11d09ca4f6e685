"""A page of each demo company, with the widget in its corner by the one line that a customer would paste."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from kefu.demo import content
from knowledge.markdown import render as render_markdown
from knowledge.models import Document


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


def _body(document: Document) -> str:
    """The page carries the title itself: a first line that repeats it goes, and no heading stays above the second rank."""
    first, _, rest = document.text.lstrip().partition("\n")
    html = render_markdown(rest if first.lstrip("# ").strip() == document.title else document.text)
    return html.replace("<h1>", "<h2>").replace("</h1>", "</h2>")


def _company(request: HttpRequest) -> dict[str, Any]:
    schema = request.tenant.schema_name  # type: ignore[attr-defined]
    if schema not in content.COMPANIES:
        raise Http404
    return {
        "company": content.read(schema, "tenant"),
        "loader_url": request.build_absolute_uri(reverse("widget-loader")),
    }
