"""What there is of one visitor, wherever it lies. Everything here runs inside the tenant's schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from chat.models import (
    FILES,
    Attachment,
    CannedReply,
    Case,
    Conversation,
    Effect,
    Feedback,
    Message,
    Note,
    PendingTurn,
    Visitor,
)
from inference import as_before
from inference.models import IntentExample
from kefu.errors import NotFound
from knowledge.models import Entry
from tenants.erasure import traces
from tenants.redis import owner_of

# What people of the company wrote, perhaps in a visitor's words
QUOTING: tuple[tuple[type[models.Model], tuple[str, ...]], ...] = (
    (Entry, ("question", "variants", "answer")),
    (IntentExample, ("text",)),
    (CannedReply, ("title", "text")),
)
QUOTED = 8  # characters from which on the same words are no accident
NAMED = 2
LOOKED_FOR = 1000  # of what a visitor said
ANSWERS = "chat.tasks.answer_turn"


@dataclass(frozen=True)
class Person:
    schema: str
    visitor: Visitor
    conversations: tuple[UUID, ...]
    parts: tuple[UUID, ...]  # their files, and turns in flight
    questions: frozenset[str] = (
        frozenset()
    )  # what they asked, as far as it is there: answers may be kept for who asks the same

    @property
    def words(self) -> tuple[str, ...]:
        """By which texts, keys and file names tell that they are about this visitor."""
        return tuple(str(one) for one in (self.visitor.pk, *self.conversations))

    @property
    def ids(self) -> frozenset[str]:
        return frozenset((*self.words, *map(str, self.parts)))

    @property
    def pattern(self) -> str:
        return "|".join(self.words)

    def is_named_in(self, text: str) -> bool:
        return any(word in text for word in self.words)


def find(visitor_id: UUID) -> Person:
    """Raises NotFound."""
    visitor = Visitor.objects.filter(pk=visitor_id).first()
    if visitor is None:
        raise NotFound(_("There is no such visitor."))
    conversations = tuple(visitor.conversations.values_list("pk", flat=True))
    parts = [
        pk
        for model in (Attachment, PendingTurn)
        for pk in model._base_manager.filter(conversation__in=conversations).values_list("pk", flat=True)
    ]
    asked = frozenset(said(conversations).values_list("text", flat=True))
    return Person(connection.schema_name, visitor, conversations, tuple(parts), asked)  # type: ignore[attr-defined]


def said(conversations: Iterable[UUID]) -> models.QuerySet[Message]:
    """What the visitor wrote, the newest first."""
    rows = Message.objects.filter(conversation__in=conversations, sender_kind=Message.Sender.VISITOR)
    return rows.order_by("-pk")


# --- Where it lies ----------------------------------------------------------------------------------------------------


def effects(person: Person) -> models.QuerySet[Effect]:
    """Of webhooks and e-mails, whether they wait, are done or were given up."""
    rows = Effect.objects.annotate(content=Cast("payload", models.TextField()))
    return rows.filter(content__regex=person.pattern)


def log_entries(person: Person) -> models.QuerySet[LogEntry]:
    """What the admin noted about the visitor and what is theirs: names are in there."""
    of_theirs = {"conversation__in": person.conversations}
    rows = {
        Visitor: [person.visitor.pk],
        Conversation: person.conversations,
        Case: Case.objects.filter(**of_theirs).values_list("pk", flat=True),
        Feedback: Feedback.objects.filter(message__conversation__in=person.conversations).values_list(
            "pk", flat=True
        ),
    }
    found = models.Q()
    for model, pks in rows.items():
        about = {"content_type__app_label": "chat", "content_type__model": model._meta.model_name}
        found |= models.Q(**about, object_id__in=[str(pk) for pk in pks])
    return LogEntry.objects.filter(found)


def folders(person: Person) -> list[Path]:
    return [Path(default_storage.path(f"{FILES}/{pk}")) for pk in person.conversations]


def keys(person: Person) -> Iterator[str]:
    """With answers that are kept for who asks the same: anybody may have asked, so that these prove nothing."""
    kept = {as_before.digest(question) for question in person.questions}

    def is_theirs(key: str) -> bool:
        is_kept = ":answer:" in key and key[-32:] in kept and owner_of(key) == person.schema
        return is_kept or person.is_named_in(key)

    return filter(is_theirs, traces.all_keys())


def tasks(person: Person) -> list[traces.Task]:
    """Also those whose turn is gone already: nobody can tell any more whose it was."""
    of_tenant = [task for task in traces.tasks() if person.schema in task.names]
    turns = {name for task in of_tenant if task.name == ANSWERS for name in task.names - {person.schema}}
    alive = {str(pk) for pk in PendingTurn.objects.filter(pk__in=turns).values_list("pk", flat=True)}
    return [task for task in of_tenant if task.names & (person.ids | turns - alive)]


# --- What people are told ---------------------------------------------------------------------------------------------


def survey(person: Person) -> list[tuple[str, int]]:
    """(what, how many) of all that would be erased, without what there is none of."""
    of_theirs = {"conversation__in": person.conversations}
    counts = (
        (_("conversations"), len(person.conversations)),
        (_("messages"), Message.objects.filter(**of_theirs).count()),
        (_("files"), Attachment.objects.filter(**of_theirs).count()),
        (_("thumbs and comments"), Feedback.objects.filter(message__conversation__in=person.conversations).count()),
        (_("complaints"), Case.objects.filter(**of_theirs).count()),
        (_("notes among agents"), Note.objects.filter(**of_theirs).count()),
        (_("deliveries to webhooks and by e-mail"), effects(person).count()),
        (_("entries of the admin's log"), log_entries(person).count()),
        (_("keys in Redis"), sum(1 for _key in keys(person))),
        (_("tasks in queues"), len(tasks(person))),
    )  # fmt: skip
    return [(what, count) for what, count in counts if count]


def quotes(person: Person) -> list[models.Model]:
    """What the company wrote that holds this visitor's name or words: it is the company's, and for people to look at."""
    texts = {text.strip() for text in [*person.questions][:LOOKED_FOR]}
    words = [re.escape(text) for text in texts if len(text) >= QUOTED]
    if len(person.visitor.name) >= NAMED:
        words.append(rf"(?<![A-Za-z0-9_]){re.escape(person.visitor.name)}(?![A-Za-z0-9_])")
    told = re.compile("|".join(words)) if words else None
    return [
        row
        for model, fields in QUOTING
        for row in model._base_manager.only(*fields)
        if told and any(told.search(getattr(row, field)) for field in fields)
    ]
