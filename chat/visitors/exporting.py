"""Writes what is kept of one visitor into a ZIP: `visitor.json`, which people and programs can read, and the files beside it.

    {"format": 1, "company", "exported_at",
     "profile": {"id", "name", "account", "language", "first_seen", "last_seen", "last_page"},
     "conversations": [{"id", "state", "started", "ended", "rating", "rating_comment", "complaints": [...],
       "messages": [{"n", "at", "from": "visitor|bot|agent|system", "name", "text", "sources", "files", "feedback"}],
       "files_never_sent": [...]}]}

What agents noted among themselves is not in it, nor how the bot came to an answer.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.filetypes import clean_name
from chat.models import Attachment, Conversation, Message, Visitor
from chat.visitors import person as persons
from kefu.errors import WrongState
from tenants.context import inside
from tenants.models import Tenant

FORMAT = 1
Part = dict[str, Any]


@dataclass
class Export:
    """`missing` files are in the database and not on the disk."""

    conversations: int = 0
    messages: int = 0
    files: int = 0
    missing: list[str] = field(default_factory=list)


def export(tenant: Tenant, visitor_id: UUID, target: IO[bytes]) -> Export:
    """Raises NotFound, and WrongState for a visitor who is being erased."""
    with inside(tenant), transaction.atomic(), ZipFile(target, "w", ZIP_DEFLATED) as archive:
        visitor = persons.find(visitor_id).visitor
        if visitor.erasing_since:
            raise WrongState(_("This visitor is being erased."))
        return _Writing(archive).write(tenant, visitor)


class _Writing:
    def __init__(self, archive: ZipFile) -> None:
        self.archive, self.done = archive, Export()

    def write(self, tenant: Tenant, visitor: Visitor) -> Export:
        conversations = visitor.conversations.order_by("created_at").prefetch_related("cases")
        content = {
            "format": FORMAT,
            "company": tenant.name,
            "exported_at": _at(timezone.now()),
            "profile": _profile(visitor),
            "conversations": [self._conversation(one) for one in conversations],
        }
        text = json.dumps(content, ensure_ascii=False, indent=2)
        self.archive.writestr("visitor.json", text)
        return self.done

    def _conversation(self, conversation: Conversation) -> Part:
        self.done.conversations += 1
        by_message = defaultdict(list)
        for attachment in conversation.attachments.order_by("created_at", "pk"):
            by_message[attachment.message_id].append(attachment)
        messages = conversation.messages.select_related("feedback").order_by("seq")
        return {
            "id": str(conversation.pk),
            "state": conversation.state,
            "started": _at(conversation.created_at),
            "ended": _at(conversation.closed_at),
            "rating": conversation.rating,
            "rating_comment": conversation.rating_comment,
            "complaints": [
                {"number": case.number, "text": case.text, "settled": case.is_settled, "at": _at(case.created_at)}
                for case in conversation.cases.all()
            ],
            "messages": [self._message(message, by_message[message.pk]) for message in messages],
            "files_never_sent": self._files(by_message[None]),
        }  # fmt: skip

    def _message(self, message: Message, attachments: Iterable[Attachment]) -> Part:
        self.done.messages += 1
        feedback = getattr(message, "feedback", None)
        return {
            "n": message.seq,
            "at": _at(message.created_at),
            "from": message.sender_kind,
            "name": message.sender_name,
            "text": message.text,
            "sources": message.sources,
            "files": self._files(attachments),
            "feedback": feedback
            and {"score": feedback.score, "comment": feedback.comment, "at": _at(feedback.created_at)},
        }

    def _files(self, attachments: Iterable[Attachment]) -> list[Part]:
        return [self._file(attachment) for attachment in attachments]

    def _file(self, attachment: Attachment) -> Part:
        """Under a number of its own: several may have one name."""
        about = {"name": attachment.name, "type": attachment.type, "size": attachment.size}
        path = Path(attachment.file.path)
        if not path.is_file():
            self.done.missing.append(attachment.name)
            return about | {"file": None}
        self.done.files += 1
        name = f"files/{self.done.files:04}-{clean_name(attachment.name)}"
        self.archive.write(path, name)
        return about | {"file": name}


def _profile(visitor: Visitor) -> Part:
    return {
        "id": str(visitor.pk),
        "name": visitor.name,
        "account": visitor.external_id,
        "language": visitor.locale,
        "first_seen": _at(visitor.created_at),
        "last_seen": _at(visitor.seen_at),
        "last_page": visitor.page,
    }


def _at(moment: datetime | None) -> str | None:
    return timezone.localtime(moment).isoformat(timespec="seconds") if moment else None
