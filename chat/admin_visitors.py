"""Visitors in the tenant's admin, and what the law lets them ask for: everything that is kept of them, and that it is gone."""

from __future__ import annotations

from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from chat.models import Visitor
from chat.visitors import person as persons
from chat.visitors.erasing import erase
from chat.visitors.exporting import export
from chat.visitors.person import Person
from kefu.errors import KefuError, NotFound
from tenants.admin_sites import ReadOnlyRows, display, link, tenant_of, tenant_site

SHOWN = 50  # conversations


@admin.register(Visitor, site=tenant_site)
class VisitorAdmin(ReadOnlyRows):
    list_display = ("shown_name", "language", "page_title", "created_at", "seen_at")
    list_filter = ("locale", ("seen_at", RangeDateTimeFilter))
    search_fields = ("name",)
    search_help_text = _("A name, or the number of a visitor")
    fields = ("shown_name", "number", "language", "page_title", "created_at", "seen_at", "conversations")
    paginator = InfinitePaginator  # as for conversations
    show_full_result_count = False
    ordering = ("-seen_at",)
    change_form_outer_before_template = "admin/parts/visitor_verbs.html"

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Visitor], search_term: str
    ) -> tuple[models.QuerySet[Visitor], bool]:
        with suppress(ValueError):
            return queryset.filter(pk=UUID(search_term.strip())), False
        found: tuple[models.QuerySet[Visitor], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return found

    def get_urls(self) -> list[Any]:
        # Each shows what conversations hold, or removes it: who may only look at a list of names may not.
        export = self.admin_site.page(self.export_view, "chat.view_conversation")
        erase = self.admin_site.page(self.erase_view, "chat.delete_visitor")
        return [
            path("<uuid:visitor>/export/", export, name="chat_visitor_export"),
            path("<uuid:visitor>/erase/", erase, name="chat_visitor_erase"),
            *super().get_urls(),
        ]

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest, visitor: UUID) -> HttpResponseBase:
        person = _found(visitor)
        file = TemporaryFile()  # noqa: SIM115  # the response closes it
        try:
            export(tenant_of(request), visitor, file)
        except KefuError as error:
            file.close()
            messages.error(request, error.message)
            return redirect("admin:chat_visitor_change", visitor)
        _note(request, CHANGE, gettext("Exported."), person)
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=f"visitor-{str(visitor)[:8]}.zip")

    def erase_view(self, request: HttpRequest, visitor: UUID) -> HttpResponse:
        person = _found(visitor)
        counts, quotes = persons.survey(person), persons.quotes(person)
        if request.method != "POST":
            context = self.admin_site.context(
                request, _("Erase a visitor"), person=person, counts=counts, quotes=_links(quotes)
            )
            return render(request, "admin/visitor_erase.html", context)
        try:
            found = erase(tenant_of(request), visitor).found
        except NotFound as error:
            raise Http404(error.message) from None
        except KefuError as error:
            found = [error.message]
        if found:
            for what in found:
                messages.error(request, what)
            messages.warning(request, gettext("Not everything is gone yet: erase again to go on."))
            return redirect("admin:chat_visitor_erase", visitor)
        _note(request, DELETION, ", ".join(f"{what}: {count}" for what, count in counts))
        messages.success(request, gettext("Nothing of the visitor is left."))
        return redirect("admin:chat_visitor_changelist")

    @display(description=_("name"), ordering="name")
    def shown_name(self, visitor: Visitor) -> str:
        if visitor.erasing_since:
            return gettext("being erased")
        return visitor.name or str(visitor.pk)[:8]

    @display(description=_("number"))
    def number(self, visitor: Visitor) -> str:
        return str(visitor.pk)

    @display(description=_("language"), ordering="locale")
    def language(self, visitor: Visitor) -> str:
        return str(dict(settings.LANGUAGES).get(visitor.locale, visitor.locale))

    @display(description=_("page"))
    def page_title(self, visitor: Visitor) -> str:
        return visitor.page.get("title") or visitor.page.get("url") or ""

    @display(description=_("conversations"))
    def conversations(self, visitor: Visitor) -> SafeString:
        said = visitor.conversations.filter(last_seq__gt=0).select_related("visitor")[:SHOWN]
        links = ((link("chat_conversation_change", one.pk, text=one),) for one in said)
        return format_html_join(SafeString("<br>"), "{}", links)


def _found(visitor: UUID) -> Person:
    try:
        return persons.find(visitor)
    except NotFound as error:
        raise Http404(error.message) from None


def _links(quotes: list[models.Model]) -> list[SafeString]:
    """To where each is edited: examples are edited with their intent."""
    rows = [getattr(row, "intent", row) for row in quotes]
    return [link(f"{row._meta.label_lower.replace('.', '_')}_change", row.pk, text=row) for row in rows]


def _note(request: HttpRequest, action: int, said: str, person: Person | None = None) -> None:
    """In the admin's log. Of who was erased it keeps that it was done, by whom and when: nothing that names them."""
    LogEntry.objects.create(
        user=cast(User, request.user),
        content_type=ContentType.objects.get_for_model(Visitor),
        object_id=str(person.visitor.pk) if person else None,
        object_repr=str(person.visitor.pk) if person else gettext("a visitor who was erased"),
        action_flag=action,
        change_message=said,
    )
