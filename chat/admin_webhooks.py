"""Webhooks and what is sent outside, in the company's admin."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from chat import outbox, webhooks
from chat.models import Effect, Webhook
from tenants import outbound
from tenants.admin_fields import RowForm
from tenants.admin_sites import LiveRows, ReadOnlyRows, display, tenant_site

MOST = 20  # webhooks: every event is sent to each
STATE_COLOURS = {"done": "success", "waiting": "info", "put off": "warning", "given up": "danger"}


class WebhookForm(RowForm):
    events = forms.MultipleChoiceField(
        label=_("events"),
        choices=lambda: [(name, f"{title} · {name}") for name, title in webhooks.EVENTS.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    class Meta:
        model = Webhook
        fields = ("name", "url", "events", "is_enabled")
        help_texts = {
            "url": _("Such as https://crm.shop.example/kefu. It is sent a POST and must answer 2xx in time.")
        }

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if why := outbound.refusal(url):
            raise ValidationError(why)
        return url


@admin.register(Webhook, site=tenant_site)
class WebhookAdmin(LiveRows):
    form = WebhookForm
    list_display = ("name", "url", "shown_events", "is_enabled", "answered_at", "trouble")
    list_editable = ("is_enabled",)
    readonly_fields = ("answered_at", "trouble")
    change_form_outer_before_template = "admin/parts/webhook.html"
    search_fields = ("name", "url")
    fieldsets = (
        (None, {"fields": ("name", "url", "events", "is_enabled")}),
        (_("How it goes"), {"fields": ("answered_at", "trouble")}),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/test/", view(self.test_view), name="chat_webhook_test"),
            path("<int:pk>/secret/", view(self.secret_view), name="chat_webhook_secret"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and Webhook.objects.count() < MOST

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.secret = obj.secret or webhooks.new_secret()
        if obj.is_enabled:
            obj.trouble = ""
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Webhook, post_url_continue: Any = None) -> HttpResponse:
        return self._page(request, obj, "admin/webhook_secret.html")

    @method_decorator(require_POST)
    def secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        webhook = self._webhook(request, pk)
        webhook.secret = webhooks.new_secret()
        webhook.save(update_fields=["secret"])
        return self._page(request, webhook, "admin/webhook_secret.html")

    @method_decorator(require_POST)
    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        webhook = self._webhook(request, pk)
        try:
            reply = webhooks.post(webhook, uuid.uuid4(), webhooks.payload(webhooks.TEST, {}))
        except (outbound.Refused, outbound.Unreachable) as failure:
            reply = outbound.Reply(0, str(failure), 0)
        taken = webhooks.is_taken(reply)
        return self._page(request, webhook, "admin/webhook_test.html", reply=reply, taken=taken)

    def _webhook(self, request: HttpRequest, pk: int) -> Webhook:
        webhook: Webhook | None = self.get_object(request, str(pk))
        if webhook is None:
            raise Http404
        if not self.has_change_permission(request, webhook):
            raise PermissionDenied
        return webhook

    def _page(self, request: HttpRequest, webhook: Webhook, template: str, **more: Any) -> HttpResponse:
        context = tenant_site.context(request, str(webhook), opts=self.opts, webhook=webhook, **more)
        return render(request, template, context)

    @display(description=_("events"))
    def shown_events(self, row: Webhook) -> str:
        return ", ".join(row.events)


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("pending", _("waiting")), ("done", _("done")), ("failed", _("given up"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = {
            "pending": models.Q(done_at=None, failed_at=None),
            "done": models.Q(done_at__isnull=False),
            "failed": models.Q(failed_at__isnull=False),
        }
        return queryset.filter(chosen.get(self.value() or "", models.Q()))


@admin.register(Effect, site=tenant_site)
class EffectAdmin(ReadOnlyRows):
    list_display = ("created_at", "shown_kind", "shown_target", "shown_state", "attempts", "last_error")
    list_filter = (StateFilter, "kind", ("created_at", RangeDateTimeFilter))
    fields = (
        *("created_at", "shown_kind", "shown_target", "shown_state", "attempts", "due_at", "last_error"),
        "shown_payload",
    )
    search_fields = ("target",)
    actions = ("try_again",)
    paginator = InfinitePaginator
    show_full_result_count = False
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Effect]:
        named = Webhook.objects.annotate(number=Cast("pk", models.CharField()))
        names = named.filter(number=models.OuterRef("target")).values("name")
        rows: models.QuerySet[Effect] = super().get_queryset(request)
        return rows.annotate(webhook=models.Subquery(names))

    @admin.action(description=_("Try those that were given up again"))
    def try_again(self, request: HttpRequest, queryset: models.QuerySet[Effect]) -> None:
        if not request.user.has_perm("chat.change_effect"):
            messages.error(request, _("You may not send these again."))
            return
        count = outbox.try_again(queryset)
        said = ngettext("%(count)d delivery is tried again.", "%(count)d deliveries are tried again.", count)
        messages.success(request, said % {"count": count})

    @display(description=_("what"), ordering="kind")
    def shown_kind(self, row: Effect) -> str:
        return f"{row.get_kind_display()} {row.payload.get('type', '')}".strip()

    @display(description=_("to"), ordering="target")
    def shown_target(self, row: Any) -> str:
        name = row.webhook if row.kind == Effect.Kind.WEBHOOK else ""
        return str(name or row.target)

    @display(description=_("state"), label=STATE_COLOURS)
    def shown_state(self, row: Effect) -> tuple[str, Any]:
        if row.done_at:
            return "done", _("done")
        if row.failed_at:
            return "given up", _("given up")
        return ("put off", _("is tried again")) if row.attempts else ("waiting", _("waiting"))

    @display(description=_("content"))
    def shown_payload(self, row: Effect) -> SafeString:
        text = json.dumps(row.payload, ensure_ascii=False, indent=2)
        return format_html('<pre class="kefu-pre">{}</pre>', text)
