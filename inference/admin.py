from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from inference import admin_connectors as admin_connectors  # registered with these
from inference import admin_training as admin_training
from inference.admin_forms import IntentForm, ProviderForm, SensitiveWordForm
from inference.mind import has_installation_provider, usable_providers
from inference.models import Intent, IntentExample, Provider, SensitiveWord
from inference.probe import probe
from inference.status import status
from inference.vendors import presets
from tenants.admin_sites import InlineRows, LiveRows, display, tenant_of, tenant_site

ACTION_COLOURS = {
    "none": "info", "reply": "success", "hand_over": "warning", "complaint": "danger", "look_up": "primary",
    "opening_hours": "success", "mask": "info", "block": "danger", "review": "warning", "allow": "success",
}  # fmt: skip


class ExampleRows(InlineRows):
    model = IntentExample
    fields = ("text",)
    hide_title = True
    ordering = ("pk",)
    per_page = 50


@admin.register(Intent, site=tenant_site)
class IntentAdmin(LiveRows):
    form = IntentForm
    list_display = ("title", "name", "shown_action", "connector", "examples", "is_enabled")
    list_filter = ("action", "is_enabled")
    list_editable = ("is_enabled",)
    list_select_related = ("connector",)
    list_before_template = "admin/parts/train.html"
    search_fields = ("name", "title", "examples__text")
    inlines = (ExampleRows,)
    conditional_fields = {
        "reply": "action == 'reply'",
        "reply_en": "action == 'reply'",
        "connector": "action == 'look_up'",
    }
    fieldsets = (
        (None, {"fields": ("name", "title", "action", "reply", "reply_en", "connector", "is_enabled")}),
        (_("Examples"), {"fields": ("more_examples",)}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Intent]:
        rows: models.QuerySet[Intent] = super().get_queryset(request)
        counted = IntentExample.objects.filter(intent=models.OuterRef("pk")).order_by().values("intent")
        return rows.annotate(
            example_count=models.Subquery(counted.annotate(n=models.Count("pk")).values("n"))
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        known = set(form.instance.examples.values_list("text", flat=True))
        new = [text for text in form.cleaned_data.get("more_examples") or () if text not in known]
        IntentExample.objects.bulk_create(IntentExample(intent=form.instance, text=text) for text in new)
        if new or any(formset.has_changed() for formset in formsets):
            messages.info(
                request, _("The bot learns from the examples when it is trained: see “Trained models”.")
            )

    @display(description=_("action"), ordering="action", label=ACTION_COLOURS)
    def shown_action(self, row: Intent) -> tuple[str, Any]:
        return row.action, row.get_action_display()

    @display(description=_("examples"), ordering="example_count")
    def examples(self, row: Any) -> int:
        return row.example_count or 0


def _must(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


@admin.register(SensitiveWord, site=tenant_site)
class SensitiveWordAdmin(LiveRows):
    form = SensitiveWordForm
    list_display = ("word", "category", "shown_action", "is_enabled")
    list_filter = ("action", "category", "is_enabled")
    list_editable = ("is_enabled",)
    search_fields = ("word", "category")
    list_per_page = 100

    @display(description=_("action"), ordering="action", label=ACTION_COLOURS)
    def shown_action(self, row: SensitiveWord) -> tuple[str, Any]:
        return row.action, row.get_action_display()


@admin.register(Provider, site=tenant_site)
class ProviderAdmin(LiveRows):
    form = ProviderForm
    list_display = ("name", "shown_role", "vendor", "model", "base_url", "has_key", "is_enabled")
    list_editable = ("is_enabled",)
    list_before_template = "admin/parts/providers.html"
    change_form_outer_before_template = "admin/parts/provider_test.html"
    search_fields = ("name", "model")
    fieldsets = (
        (None, {"fields": ("name", "role", "is_enabled")}),
        (
            _("Server"),
            {
                "fields": (
                    "vendor",
                    "folder",
                    "base_url",
                    "api_version",
                    "api_key",
                    "forget_key",
                    "model",
                ),
                "description": _("A vendor that is chosen fills in its address and what it can do."),
            },
        ),
        (
            _("What it can do"),
            {"fields": ("tells_usage", "json_schema", "tool_choice", "token_parameter", "thinking_off")},
        ),
        (
            _("Answers"),
            {
                "fields": (
                    "max_tokens",
                    "passage_characters",
                    "first_token_seconds",
                    "next_token_seconds",
                    "extra_body",
                )
            },
        ),
        (
            _("Prices"),
            {
                "fields": ("input_price", "output_price"),
                "description": _("In the currency of your budgets. 0: what it costs is not counted."),
            },
        ),
    )
    conditional_fields = {
        "api_version": "vendor == 'azure'",
        "folder": "vendor == 'onnx'",
        **dict.fromkeys(("base_url", "api_key", "forget_key", "model"), "vendor != 'onnx'"),
    }

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.test_view)
        return [path("<int:pk>/test/", view, name="inference_provider_test"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tenant = tenant_of(request)
        context = {
            "installation_model": settings.LLM_MODEL if has_installation_provider() else "",
            "ladder": status(tenant, usable_providers()),
        }
        response: HttpResponse = super().changelist_view(request, (extra_context or {}) | context)
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = (extra_context or {}) | {"presets": presets()}
        return super().changeform_view(request, object_id, form_url, context)

    @method_decorator(require_POST)
    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        _must(request, "inference.change_provider")
        provider = self.get_object(request, str(pk))
        if provider is None:
            raise Http404
        context = tenant_site.context(
            request, str(provider), opts=self.opts, provider=provider, probe=probe(provider)
        )
        return render(request, "admin/provider_test.html", context)

    @display(description=_("role"), ordering="role", label={"full": "success", "light": "info"})
    def shown_role(self, row: Provider) -> tuple[str, Any]:
        return row.role, row.get_role_display()

    @display(description=_("key"))
    def has_key(self, row: Provider) -> str:
        return "••••" if row.api_key else "–"
