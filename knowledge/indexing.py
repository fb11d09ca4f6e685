"""From an uploaded document to passages that can be found: the steps, and what a failure leaves behind."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from knowledge.embedding import Vectors, embed
from knowledge.loading import LoadError, load
from knowledge.models import Chunk, Document, Entry
from knowledge.splitting import split as split_text
from knowledge.words import as_tsvector, words

logger = logging.getLogger(__name__)

MAX_CHUNKS = 20_000
ROWS_A_STATEMENT = 500


@dataclass(slots=True)
class Draft:
    """A document on its way: nothing of it is visible to a search until all of it is."""

    document: Document
    text: str = ""
    chunks: list[Chunk] = field(default_factory=list)


class IndexingError(Exception):
    """`str()` is a sentence for the person who added the document."""


def parse(draft: Draft) -> None:
    document = draft.document
    if document.file:
        with document.file.open("rb") as file:
            data = file.read()
        draft.text = load(document.kind, data)
    else:
        data = document.text.encode()
        draft.text = document.text.strip() if document.kind in {"md", "txt"} else load(document.kind, data)
    document.size, document.checksum = len(data), hashlib.sha256(data).hexdigest()
    if not draft.text:
        raise LoadError("empty")


def split(draft: Draft) -> None:
    pieces = split_text(draft.text)
    if not pieces:
        raise LoadError("empty")
    if len(pieces) > MAX_CHUNKS:
        raise LoadError("too_long")
    draft.chunks = [
        Chunk(document=draft.document, position=position, heading=piece.heading, text=piece.text)
        for position, piece in enumerate(pieces)
    ]


def write_terms(draft: Draft) -> None:
    for chunk in draft.chunks:
        chunk.terms = as_tsvector(words(f"{draft.document.title}\n{chunk.heading}\n{chunk.text}"))


def write_embeddings(draft: Draft) -> None:
    vectors = embed([f"{chunk.heading.rpartition(' > ')[2]}\n{chunk.text}" for chunk in draft.chunks])
    for chunk, vector in zip(draft.chunks, vectors, strict=True):
        chunk.embedding = vector


def replace_chunks(draft: Draft) -> None:
    """The old passages answer until this very moment, the new ones from it on."""
    document = draft.document
    with transaction.atomic():
        # Locks the row: a second indexing of the same document waits here, and then replaces these.
        Document.objects.select_for_update().get(pk=document.pk)
        Chunk.objects.filter(document=document).delete()
        Chunk.objects.bulk_create(draft.chunks, batch_size=ROWS_A_STATEMENT)
        if document.file:
            document.text = draft.text
        document.status, document.reason, document.progress = Document.Status.READY, "", 100
        document.indexed_at = timezone.now()
        document.save()


INDEX: tuple[Callable[[Draft], None], ...] = (
    parse,  # the file becomes Markdown, in a child that can do no harm
    split,  # the text becomes passages under their headings
    write_terms,  # what the full-text search finds them by
    write_embeddings,  # what the search by meaning finds them by
    replace_chunks,  # all at once, or not at all
)


def index_document(document_id: int) -> Document:
    """Indexes a document of the current tenant. Does not raise for a bad file: the row says what was wrong."""
    document = Document.objects.get(pk=document_id)
    _show(document, Document.Status.INDEXING, progress=0)
    try:
        _run(Draft(document))
    except (LoadError, IndexingError) as error:
        _show(document, Document.Status.FAILED, reason=str(error))
    except FileNotFoundError:
        _show(
            document,
            Document.Status.FAILED,
            reason=_("The file is no longer in the storage. Upload it again."),
        )
    except Document.DoesNotExist:
        logger.info("document %s was deleted while it was indexed", document_id)
    except DatabaseError:
        raise
    except Exception:
        # The boundary: whatever a library makes of a document, it must not stay "indexing" for ever.
        logger.exception("indexing of document %s failed", document_id)
        _show(
            document, Document.Status.FAILED, reason=_("An unexpected error stopped the indexing. Try again.")
        )
    return document


def _run(draft: Draft) -> None:
    for done, step in enumerate(INDEX, start=1):
        step(draft)
        if done < len(INDEX):
            _show(draft.document, Document.Status.INDEXING, progress=100 * done // len(INDEX))


def _show(
    document: Document, status: Document.Status, *, progress: int | None = None, reason: str = ""
) -> None:
    document.status, document.reason = status, reason
    if progress is not None:
        document.progress = progress
    # Not `save()`: somebody may have deleted the document meanwhile, and that is no failure.
    Document.objects.filter(pk=document.pk).update(status=status, reason=reason, progress=document.progress)


def index_entry(entry: Entry) -> None:
    index_entries([entry])


def index_entries(entries: Iterable[Entry] | None = None) -> int:
    """Indexes these entries, or all of the current tenant's; gives back how many."""
    chosen = list(Entry.objects.all() if entries is None else entries)
    for entry, vector in zip(chosen, _centres([entry.wordings() for entry in chosen]), strict=True):
        entry.terms = as_tsvector(words("\n".join([*entry.wordings(), entry.answer])))
        entry.embedding = vector
    Entry.objects.bulk_update(chosen, ["terms", "embedding"], batch_size=ROWS_A_STATEMENT)
    return len(chosen)


def _centres(groups: list[list[str]]) -> list[Vectors]:
    """For each group of wordings the unit vector in whose direction all of them lie."""
    flat = iter(embed([wording for group in groups for wording in group]))
    centres: list[Vectors] = []
    for group in groups:
        centre: Vectors = np.stack([next(flat) for _ in group]).mean(axis=0)
        centres.append(centre / max(float(np.linalg.norm(centre)), 1e-9))
    return centres
