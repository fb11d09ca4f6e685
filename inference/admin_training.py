"""Training in the admin: ask for it, watch it, compare what came of it, and let it answer or not."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import truncatechars
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from inference import figures, intent, intents, second
from inference.models import Intent, IntentModel
from inference.tasks import train_intents_task
from tenants.admin_sites import ReadOnlyRows, display, tenant_of, tenant_site, touch_later

CONFUSIONS_SHOWN = 15
STATUS_COLOURS = {
    "queued": "info",
    "training": "warning",
    "ready": "info",
    "failed": "danger",
    "live": "success",
}


@admin.register(IntentModel, site=tenant_site)
class IntentModelAdmin(ReadOnlyRows):
    """What trainings produced: nothing is edited here, but one of them answers."""

    list_display = (
        "number",
        "created_at",
        "shown_examples",
        "shown_accuracy",
        "shown_status",
        "shown_progress",
    )
    list_before_template = "admin/parts/train.html"
    list_after_template = "admin/parts/unfinished_refresh.html"
    change_form_outer_after_template = "admin/parts/intent_model.html"
    fields = (
        "number",
        "created_at",
    )  # what it is made of and can do stands below, beside the one that answers

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[IntentModel]:
        rows: models.QuerySet[IntentModel] = super().get_queryset(request)
        return rows.defer("onnx", "second")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("train/", view(self.train_view), name="inference_intentmodel_train"),
            path("<int:pk>/live/", view(self.live_view), name="inference_intentmodel_live"),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        context = {"trained": row} | (_compared(row) if row and row.status == intents.Status.READY else {})
        return super().changeform_view(request, object_id, form_url, (extra_context or {}) | context)

    @method_decorator(require_POST)
    def train_view(self, request: HttpRequest) -> HttpResponse:
        """One training at a time: who asks again is shown the one that runs."""
        _must(request, "inference.change_intent")
        row = IntentModel.objects.filter(status__in=intents.UNFINISHED).first()
        if row is None:
            row = IntentModel.objects.create(status=intents.Status.QUEUED, progress=0)
            # Robust: with the broker away the row stays queued, and is sent again.
            post = partial(train_intents_task.delay, tenant_of(request).schema_name, row.pk)
            transaction.on_commit(post, robust=True)
        return redirect("admin:inference_intentmodel_change", row.pk)

    @method_decorator(require_POST)
    def live_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        _must(request, "inference.change_intent")
        row = IntentModel.objects.filter(pk=pk, status=intents.Status.READY).first()
        if row is None:
            raise Http404
        if intents.facts(row) is None:
            messages.error(request, _("This model is of another version and must be trained again."))
        else:
            intents.make_live(row)
            touch_later(request)
            messages.success(request, _("Model %(number)s answers from now on.") % {"number": row})
        return redirect("admin:inference_intentmodel_changelist")

    @display(description=_("model"), ordering="pk")
    def number(self, row: IntentModel) -> str:
        return str(row)

    @display(description=_("examples"), ordering="examples")
    def shown_examples(self, row: IntentModel) -> str:
        return "" if row.status in intents.UNFINISHED else str(row.examples)

    @display(description=_("accuracy, cross-validated"), ordering="accuracy")
    def shown_accuracy(self, row: IntentModel) -> str:
        return "" if row.accuracy is None else figures.percent(row.accuracy)

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def shown_status(self, row: IntentModel) -> tuple[str, Any]:
        return ("live", _("live")) if row.is_live else (row.status, row.get_status_display())

    @display(description=_("progress"))
    def shown_progress(self, row: IntentModel) -> SafeString | str:
        if row.status == intents.Status.FAILED:
            return format_html(
                '<span class="kefu-bad" title="{}">{}</span>', row.reason, truncatechars(row.reason, 120)
            )
        return _bar(row)


def _bar(row: IntentModel) -> SafeString | str:
    if row.status not in intents.UNFINISHED:
        return ""
    return format_html(
        '<progress class="kefu-progress" data-unfinished max="100" value="{}">{}%</progress>',
        row.progress,
        row.progress,
    )


def _must(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _compared(row: IntentModel) -> dict[str, Any]:
    """The figures of `row` beside those of the model that answers now, and what it confuses."""
    live = None if row.is_live else IntentModel.objects.filter(is_live=True).first()
    facts = intents.facts(row)
    if facts is None:
        return {}
    opinion = _second_facts(row)
    return {
        "facts": facts,
        "live": live,
        "is_older": live and live.pk > row.pk,
        "compared": figures.compared(intents.facts(live), facts),
        "compared_both": opinion and figures.compared_both(_second_facts(live), opinion),
    } | _by_title(facts, opinion)


def _second_facts(row: IntentModel | None) -> second.SecondFacts | None:
    try:
        return second.load(bytes(row.second)).facts if row and row.second else None
    except ValueError:
        return None


def _by_title(facts: intent.Facts, opinion: second.SecondFacts | None) -> dict[str, Any]:
    """The model knows intents by name; people know them by title, and find their examples there."""
    known = {row.name: row for row in Intent.objects.only("name", "title")}

    def shown(name: str) -> SafeString | str:
        row = known.get(name)
        if row is None:
            return name
        address = reverse("admin:inference_intent_change", args=[row.pk])
        return format_html('<a class="kefu-link" href="{}">{}</a>', address, row)

    confusions = opinion.confusions if opinion else facts.confusions
    return {
        "counts": [(shown(name), count) for name, count in facts.counts.items()],
        "confusions": [
            (shown(asked), shown(taken), times) for asked, taken, times in confusions[:CONFUSIONS_SHOWN]
        ],
    }
