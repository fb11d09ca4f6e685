from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from pgvector.django import VectorField

from knowledge.markdown import SAFE_LINK


def validate_address(address: str) -> None:
    if not SAFE_LINK.fullmatch(address):
        raise ValidationError(_("Enter an address that starts with https://, http:// or / ."))


class KnowledgeBase(models.Model):
    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True)
    is_enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Switched off, nothing in it is used to answer.")
    )

    class Meta:
        verbose_name = _("knowledge base")
        verbose_name_plural = _("knowledge bases")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Document(models.Model):
    class Kind(models.TextChoices):
        PDF = "pdf", _("PDF")
        DOCX = "docx", _("Word document")
        XLSX = "xlsx", _("Spreadsheet")
        CSV = "csv", _("CSV table")
        MD = "md", _("Markdown")
        HTML = "html", _("Web page")
        TXT = "txt", _("Plain text")

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        INDEXING = "indexing", _("indexing")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    base = models.ForeignKey(
        KnowledgeBase, on_delete=models.CASCADE, related_name="documents", verbose_name=_("knowledge base")
    )
    title = models.CharField(_("title"), max_length=200)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.MD)
    file = models.FileField(_("file"), upload_to="documents/%Y/%m/", max_length=300, blank=True)
    source_url = models.CharField(
        _("source address"),
        max_length=500,
        blank=True,
        validators=[validate_address],
        help_text=_("Shown to visitors as the source of an answer."),
    )
    text = models.TextField(
        _("text"),
        blank=True,
        help_text=_("Markdown. Read from the file when there is one, else written here."),
    )
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.QUEUED)
    reason = models.TextField(_("reason"), blank=True, help_text=_("Why indexing failed."))
    progress = models.PositiveSmallIntegerField(_("progress"), default=0, validators=[MaxValueValidator(100)])
    size = models.PositiveBigIntegerField(_("size"), default=0, help_text=_("In bytes."))
    checksum = models.CharField(_("checksum"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    indexed_at = models.DateTimeField(_("indexed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ("-created_at", "-id")
        indexes = (
            # The sweeper looks for what a lost task left behind.
            models.Index(
                fields=["created_at"], condition=~models.Q(status="ready"), name="document_unfinished"
            ),
        )

    def __str__(self) -> str:
        return self.title


class Chunk(models.Model):
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="chunks", verbose_name=_("document")
    )
    position = models.PositiveIntegerField(_("position"))
    heading = models.CharField(_("heading"), max_length=500, blank=True)
    text = models.TextField(_("text"))
    terms = SearchVectorField(editable=False, null=True)
    embedding = VectorField(editable=False, null=True)

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        ordering = ("document", "position")
        constraints = (
            models.UniqueConstraint(fields=["document", "position"], name="chunk_position_unique"),
        )
        indexes = (GinIndex(fields=["terms"], name="chunk_terms"),)

    def __str__(self) -> str:
        return f"{self.heading or self.text[:40]}"


class Entry(models.Model):
    """A question with the answer that the company approved."""

    class Mode(models.TextChoices):
        VERBATIM = "verbatim", _("word for word")
        SITUATIONAL = "situational", _("fitted to the case")

    base = models.ForeignKey(
        KnowledgeBase, on_delete=models.CASCADE, related_name="entries", verbose_name=_("knowledge base")
    )
    question = models.CharField(_("question"), max_length=300)
    variants = models.TextField(_("other wordings"), blank=True, help_text=_("One per line."))
    answer = models.TextField(_("answer"), help_text=_("Markdown."))
    mode = models.CharField(_("mode"), max_length=12, choices=Mode.choices, default=Mode.VERBATIM)
    source_title = models.CharField(_("source title"), max_length=200, blank=True)
    source_url = models.CharField(
        _("source address"), max_length=500, blank=True, validators=[validate_address]
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    terms = SearchVectorField(editable=False, null=True)
    embedding = VectorField(editable=False, null=True)

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ("id",)
        indexes = (GinIndex(fields=["terms"], name="entry_terms"),)

    def __str__(self) -> str:
        return self.question

    def wordings(self) -> list[str]:
        """The question and its other wordings, each once."""
        lines = (line.strip() for line in [self.question, *self.variants.splitlines()])
        return list(dict.fromkeys(line for line in lines if line))
