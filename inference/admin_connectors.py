"""Connectors, and the page on which one is tried."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from inference import connectors, status
from inference.admin_offer import offer
from inference.connector_form import OF_KINDS, ConnectorForm
from inference.filling import WrongTemplate
from inference.look_ups import mcp
from inference.look_ups.replies import Failed
from inference.models import Connector
from tenants import outbound
from tenants.admin_sites import LiveRows, display, tenant_of, tenant_site

LONGEST_REPLY = 5000  # characters shown
LONGEST_QUESTION = 1000


@admin.register(Connector, site=tenant_site)
class ConnectorAdmin(LiveRows):
    form = ConnectorForm
    list_display = ("name", "title", "kind", "shown_personal", "shown_offered", "is_enabled")
    list_editable = ("is_enabled",)
    list_filter = ("kind", "is_enabled")
    search_fields = ("name", "title")
    list_before_template = "admin/parts/connectors.html"
    change_form_outer_before_template = "admin/parts/connector_try.html"
    conditional_fields = {
        name: " || ".join(f"kind == '{kind}'" for kind in kinds) for name, kinds in OF_KINDS.items()
    }
    fieldsets = (
        (None, {"fields": ("title", "name", "kind", "is_enabled", "model_may_ask")}),
        (_("What it asks"), {"fields": ("query", "method", "url", "tool", "body", "columns")}),
        (_("Login at the server"), {"fields": ("secret", "secret_header", "forget_secret", "headers")}),
        (_("What it has to know"), {"fields": ("slots",)}),
        (_("Whose it is"), {"fields": ("needs_identity", "owner_column")}),
        (_("What it says"), {"fields": ("template", "by_status", "nothing_found")}),
        (
            _("What it says in English"),
            {
                "fields": ("template_en", "by_status_en", "nothing_found_en"),
                "classes": ("collapse",),
                "description": _("For visitors who read English; what is empty here is said as above."),
            },
        ),
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        systems = status.rows(tenant_of(request), list(Connector.objects.filter(is_enabled=True)))
        response: HttpResponse = super().changelist_view(
            request, (extra_context or {}) | {"systems": systems}
        )
        return response

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.try_view)
        return [path("<int:pk>/try/", view, name="inference_connector_try"), *super().get_urls()]

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks as a visitor would, or shows what a model is offered. What comes is shown raw: this takes the right to change it."""
        row: Connector | None = self.get_object(request, str(pk))
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        values = {slot: request.POST.get(f"slot-{slot}", "").strip() for slot in row.slots}
        visitor = request.POST.get("visitor", "").strip()
        context = tenant_site.context(
            request, str(row), opts=self.opts, connector=row, visitor=visitor, slots=_slots(row, values)
        )
        if "question" in request.POST:
            context["offer"] = offer(
                tenant_of(request), row, request.POST["question"].strip()[:LONGEST_QUESTION]
            )
        elif request.method == "POST":
            context |= _tools(row) if "tools" in request.POST else _tried(request, row, values, visitor)
        return render(request, "admin/connector_try.html", context)

    @display(description=_("personal"))
    def shown_personal(self, row: Connector) -> str:
        return _yes(row.is_personal)

    @display(description=_("the model may ask it"), ordering="model_may_ask")
    def shown_offered(self, row: Connector) -> str:
        return _yes(row.model_may_ask)


def _yes(so: bool) -> str:
    return gettext("yes") if so else "–"


def _slots(row: Connector, values: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(name, slot.get("ask", ""), values[name]) for name, slot in row.slots.items()]


def _tried(request: HttpRequest, row: Connector, values: dict[str, str], visitor: str) -> dict[str, Any]:
    tenant = tenant_of(request)
    connectors.wake(tenant, row)
    outcome = async_to_sync(connectors.look_up)(tenant, row, values, visitor)
    return {
        "outcome": outcome,
        "result": connectors.RESULTS[outcome.result],
        "asked": _asked(row, values, visitor),
        "reply": connectors.without_secret(_json(outcome.reply), row)[:LONGEST_REPLY],
        "columns": outcome.row
        and {name: connectors.without_secret(str(value), row) for name, value in outcome.row.items()},
    }


def _asked(row: Connector, values: dict[str, str], visitor: str) -> str:
    bound = values | ({connectors.VISITOR: visitor} if row.is_personal else {})
    try:
        return connectors.without_secret(connectors.KINDS[row.kind].request(row, bound), row)
    except (Failed, WrongTemplate) as wrong:
        return str(wrong)


def _tools(row: Connector) -> dict[str, Any]:
    try:
        return {"tools": async_to_sync(connectors.in_time)(mcp.tools(row))}
    except (Failed, outbound.Refused, TimeoutError) as trouble:
        return {"tools": (), "tools_error": connectors.told(trouble, row)}


def _json(reply: Any) -> str:
    return "" if reply is None else json.dumps(reply, ensure_ascii=False, indent=2, default=str)
