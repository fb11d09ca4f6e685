"""How documents come in: several files at once, or text written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import connection
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from knowledge.loading import FILE_BYTES, KINDS, REASONS, kind_of
from knowledge.models import Document
from tenants.admin_fields import RowForm
from tenants.usage import has_room_for

MOST_FILES = 50
WRITTEN = (Document.Kind.MD, Document.Kind.TXT, Document.Kind.HTML)


class FilesInput(UnfoldAdminFileFieldWidget):  # type: ignore[misc]
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """A list of uploaded files, each of a kind and size that can be read."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = [super(FilesField, self).clean(file, initial) for file in data or []]
        if len(files) > MOST_FILES:
            raise ValidationError(_("At most %(most)d files at once.") % {"most": MOST_FILES})
        for file in files:
            _check(file)
        return files


def _check(file: UploadedFile[Any]) -> None:
    if kind_of(file.name or "") is None:
        raise ValidationError(f"{file.name}: {REASONS['unknown_kind']}")
    if (file.size or 0) > FILE_BYTES:
        raise ValidationError(f"{file.name}: {REASONS['too_large']}")


def _check_plan(files: list[UploadedFile[Any]]) -> None:
    if not has_room_for(connection.tenant, sum(file.size or 0 for file in files)):  # type: ignore[attr-defined]
        raise ValidationError(
            _(
                "Your plan has no room for these files. Delete what is not needed, or ask the operator for another plan."
            )
        )


class NewDocumentForm(RowForm):
    uploads = FilesField(label=_("files"), required=False)
    title = forms.CharField(
        label=_("title"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Empty: the name of the file."),
    )

    class Meta:
        model = Document
        fields = ("base", "title", "source_url", "kind", "text")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["uploads"].help_text = _("Up to %(most)d files of %(size)s each: %(kinds)s.") % {
            "most": MOST_FILES,
            "size": f"{FILE_BYTES // 1_000_000} MB",
            "kinds": ", ".join(sorted(kind.removeprefix(".") for kind in KINDS)),
        }
        self.fields["uploads"].widget.attrs.update(accept=",".join(sorted(KINDS)), multiple=True)
        self.fields["kind"].choices = [(kind.value, kind.label) for kind in WRITTEN]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        files, text = data.get("uploads"), data.get("text", "").strip()
        if "uploads" in self.errors:
            return data
        if not files and not text:
            raise ValidationError(_("Choose a file, or write the text of the document."))
        if files:
            _check_plan(files)
        if files and text:
            raise ValidationError(_("Either files or a text, not both."))
        if not files and not data.get("title"):
            self.add_error("title", _("A document that is written here needs a title."))
        return data

    def titles(self) -> list[str]:
        """One for each file: the title that was typed holds for a single one only."""
        files: list[UploadedFile[Any]] = self.cleaned_data["uploads"]
        if len(files) == 1 and self.cleaned_data["title"]:
            return [self.cleaned_data["title"]]
        return [Path(file.name or "").stem[:200] for file in files]


class DocumentForm(RowForm):
    class Meta:
        model = Document
        fields = ("base", "title", "source_url", "text")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "text" in self.fields and not self.instance.file:
            self.fields["text"].required = True
