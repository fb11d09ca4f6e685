from __future__ import annotations

from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db import models, transaction
from django.http import FileResponse, Http404, HttpRequest
from django.template.defaultfilters import filesizeformat, truncatechars
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from knowledge.admin_forms import DocumentForm, NewDocumentForm
from knowledge.indexing import index_entry
from knowledge.loading import kind_of
from knowledge.models import Chunk, Document, Entry, KnowledgeBase
from knowledge.tasks import index_document_task
from tenants.admin_sites import LiveRows, action, display, link, tenant_of, tenant_site

STATUS_COLOURS = {"queued": "info", "indexing": "warning", "ready": "success", "failed": "danger"}
SHOWN_PASSAGES = 30


@admin.register(KnowledgeBase, site=tenant_site)
class KnowledgeBaseAdmin(LiveRows):
    list_display = ("name", "documents", "entries", "is_enabled")
    list_editable = ("is_enabled",)
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[KnowledgeBase]:
        rows: models.QuerySet[KnowledgeBase] = super().get_queryset(request)
        return rows.annotate(
            document_count=models.Count("documents", distinct=True),
            entry_count=models.Count("entries", distinct=True),
        )

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        remove_files(Document.objects.filter(base=obj.pk))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[KnowledgeBase]) -> None:
        remove_files(Document.objects.filter(base__in=queryset))
        super().delete_queryset(request, queryset)

    @display(description=_("documents"), ordering="document_count")
    def documents(self, base: Any) -> SafeString:
        return _filtered("knowledge_document_changelist", base, base.document_count)

    @display(description=_("entries"), ordering="entry_count")
    def entries(self, base: Any) -> SafeString:
        return _filtered("knowledge_entry_changelist", base, base.entry_count)


def _filtered(name: str, base: KnowledgeBase, text: object) -> SafeString:
    address = reverse(f"admin:{name}")
    return format_html('<a class="kefu-link" href="{}?base__id__exact={}">{}</a>', address, base.pk, text)


def _only_base() -> dict[str, Any]:
    """Nobody has to choose where there is no choice."""
    bases = list(KnowledgeBase.objects.values_list("pk", flat=True)[:2])
    return {"base": bases[0]} if len(bases) == 1 else {}


@admin.register(Document, site=tenant_site)
class DocumentAdmin(LiveRows):
    list_display = ("title", "kind", "base", "shown_status", "shown_progress", "shown_size", "indexed_at")
    list_filter = ("status", "base", "kind")
    list_select_related = ("base",)
    list_before_template = "admin/parts/unfinished_refresh.html"
    search_fields = ("title", "source_url")
    actions = ("index_again",)
    actions_submit_line = ("index_this_again",)
    form = DocumentForm
    text_lines = 16
    change_form_outer_after_template = "admin/parts/document_passages.html"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Document]:
        rows: models.QuerySet[Document] = super().get_queryset(request)
        resolved = request.resolver_match
        return (
            rows.defer("text") if resolved and resolved.url_name == "knowledge_document_changelist" else rows
        )

    def get_form(
        self, request: HttpRequest, obj: Document | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, **kwargs | ({} if obj else {"form": NewDocumentForm}))

    def get_fieldsets(self, request: HttpRequest, obj: Document | None = None) -> Any:
        if obj is None:
            return (
                (None, {"fields": ("base", "uploads", "title", "source_url")}),
                (_("Or write it here"), {"fields": ("kind", "text")}),
            )
        return (
            (None, {"fields": ("base", "title", "source_url")}),
            (_("Indexing"), {"fields": ("status", "progress", "reason", "indexed_at")}),
            (_("Text"), {"fields": ("kind", "shown_file") if obj.file else ("kind", "text")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Document | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("status", "progress", "reason", "indexed_at", "kind", "shown_file")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**_only_base(), **super().get_changeform_initial_data(request)}

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("<int:pk>/file/", view, name="knowledge_document_file"), *super().get_urls()]

    def file_view(self, request: HttpRequest, pk: int) -> FileResponse:
        document = self.get_object(request, str(pk))
        if document is None or not document.file or not self.has_view_permission(request, document):
            raise Http404
        # Always a download: an uploaded page must not run here.
        return FileResponse(
            document.file.open("rb"), as_attachment=True, content_type="application/octet-stream"
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        passages: Any = (
            Chunk.objects.filter(document__pk=object_id).only("heading", "text")
            if object_id and object_id.isdecimal()
            else ()
        )
        context = {"passages": passages[:SHOWN_PASSAGES], "shown_passages": SHOWN_PASSAGES}
        return super().changeform_view(request, object_id, form_url, (extra_context or {}) | context)

    # --- Changes ------------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change and form.cleaned_data["uploads"]:
            self._add_files(request, obj, form)
            return
        super().save_model(request, obj, form, change)
        if not change or {"title", "text"} & set(form.changed_data):
            _queue(request, [obj])

    def _add_files(self, request: HttpRequest, first: Document, form: Any) -> None:
        """A document for each file. `first` is the form's own row, which the admin's log and redirect speak of."""
        documents: list[Document] = []
        for file, title in zip(form.cleaned_data["uploads"], form.titles(), strict=True):
            document = first if not documents else Document(base=first.base, source_url=first.source_url)
            documents.append(_with_file(document, file, title))
        for document in documents:
            document.save()
        _queue(request, documents)
        said = ngettext(
            "%(count)d file is being indexed.", "%(count)d files are being indexed.", len(documents)
        )
        messages.info(request, said % {"count": len(documents)})

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        remove_files(Document.objects.filter(pk=obj.pk))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Document]) -> None:
        remove_files(queryset)
        super().delete_queryset(request, queryset)

    @admin.action(description=_("Index again"), permissions=["change"])
    def index_again(self, request: HttpRequest, queryset: models.QuerySet[Document]) -> None:
        documents = list(queryset)
        _queue(request, documents)
        said = ngettext(
            "%(count)d document is being indexed.", "%(count)d documents are being indexed.", len(documents)
        )
        messages.success(request, said % {"count": len(documents)})

    @action(description=_("Save and index again"), permissions=["change"])
    def index_this_again(self, request: HttpRequest, obj: Document) -> None:
        _queue(request, [obj])
        messages.success(request, _("The document is being indexed."))

    # --- What lists show ----------------------------------------------------------------------------------------------

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def shown_status(self, document: Document) -> tuple[str, Any]:
        return document.status, document.get_status_display()

    @display(description=_("progress"))
    def shown_progress(self, document: Document) -> SafeString | str:
        if document.status == Document.Status.FAILED:
            reason = truncatechars(document.reason, 120)
            return format_html('<span class="kefu-bad" title="{}">{}</span>', document.reason, reason)
        if document.status == Document.Status.READY:
            return ""
        return format_html(
            '<progress class="kefu-progress" data-unfinished max="100" value="{}">{}%</progress>',
            document.progress,
            document.progress,
        )

    @display(description=_("size"), ordering="size")
    def shown_size(self, document: Document) -> str:
        return filesizeformat(document.size) if document.size else ""

    @display(description=_("file"))
    def shown_file(self, document: Document) -> Any:
        name = (document.file.name or "").rpartition("/")[2]
        return link("knowledge_document_file", document.pk, text=f"{name} ({self.shown_size(document)})")


def _with_file(document: Document, file: UploadedFile[Any], title: str) -> Document:
    document.title, document.kind = title, kind_of(file.name or "") or Document.Kind.TXT
    document.file, document.size, document.text = file, file.size or 0, ""
    return document


def _queue(request: HttpRequest, documents: list[Document]) -> None:
    """Has a worker index them, once the rows are committed."""
    schema = tenant_of(request).schema_name
    fresh = {"status": Document.Status.QUEUED, "progress": 0, "reason": ""}
    Document.objects.filter(pk__in=[document.pk for document in documents]).update(**fresh)
    for document in documents:
        # Robust: with the broker away the rows stay queued, and are not lost with the answer to this request.
        transaction.on_commit(partial(index_document_task.delay, schema, document.pk), robust=True)


def remove_files(documents: models.QuerySet[Document]) -> None:
    """Their files leave the storage together with the rows."""
    for document in documents.exclude(file="").select_related(None).only("file"):
        transaction.on_commit(partial(document.file.storage.delete, document.file.name or ""))


@admin.register(Entry, site=tenant_site)
class EntryAdmin(LiveRows):
    list_display = ("question", "shown_answer", "shown_mode", "wording_count", "base", "is_enabled")
    list_filter = ("base", "mode", "is_enabled")
    list_editable = ("is_enabled",)
    list_select_related = ("base",)
    search_fields = ("question", "variants", "answer")
    fieldsets = (
        (None, {"fields": ("question", "variants", "answer", "mode")}),
        (_("Source, shown under the answer"), {"fields": ("source_title", "source_url")}),
        (_("Where it belongs"), {"fields": ("base", "is_enabled")}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Entry]:
        rows: models.QuerySet[Entry] = super().get_queryset(request)
        return rows.defer("terms", "embedding")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**_only_base(), **super().get_changeform_initial_data(request)}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "mode" and field:
            field.help_text = _(
                "Word for word: shown as it stands, at once. Fitted to the case: a model words it, where there is one."
            )
        return field

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change or {"question", "variants", "answer"} & set(form.changed_data):
            index_entry(cast(Entry, obj))

    @display(description=_("answer"))
    def shown_answer(self, entry: Entry) -> str:
        return truncatechars(entry.answer.replace("**", ""), 60)

    @display(description=_("mode"), ordering="mode", label={"verbatim": "success", "situational": "info"})
    def shown_mode(self, entry: Entry) -> tuple[str, Any]:
        return entry.mode, entry.get_mode_display()

    @display(description=_("wordings"))
    def wording_count(self, entry: Entry) -> int:
        return len(entry.wordings())
