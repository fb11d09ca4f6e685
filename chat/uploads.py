"""Files on their way in, to the disk piece by piece, and what is tidied up after them.

A file is first written to `incoming/`, under a name that nobody knows. Once it is whole and is what it should be, its row is written,
and then it is moved to the folder of its conversation: what broke off has no row, and no file is left without one.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import filetypes, limits
from chat.models import FILES, Agent, Attachment, Conversation, Message
from kefu.errors import BadFrame, Blocked, Forbidden, NotFound, Overloaded, TooLong
from tenants.context import database_call
from tenants.models import Tenant
from tenants.usage import has_room_for

PIECE = 256 * 1024  # bytes that are written at once
UNSENT = timedelta(days=1)  # after which a file that no message took is deleted
INCOMING = "incoming"  # beside FILES, in the tenant's own folder


@dataclass(frozen=True)
class Upload:
    """What is known before a byte of the file is read."""

    tenant: Tenant
    conversation: Conversation  # the sender may write in it
    agent: Agent | None  # None: its visitor sends it
    address: str
    name: str
    size: int


# --- Before it comes --------------------------------------------------------------------------------------------------

NAME = re.compile(
    r"""filename\*\s*=\s*UTF-8'[\w-]*'([^\s;]+)|filename\s*=\s*"((?:[^"\\]|\\.)*)"|filename\s*=\s*([^\s;"]+)""",
    re.I,
)


def named(disposition: str) -> str:
    """The file name in a Content-Disposition header (RFC 6266), the one with an encoding first; "" where there is none."""
    encoded, quoted, bare = "", "", ""
    for found in NAME.finditer(disposition):
        encoded, quoted, bare = encoded or found[1] or "", quoted or found[2] or "", bare or found[3] or ""
    return unquote(encoded, errors="replace") or re.sub(r"\\(.)", r"\1", quoted) or bare


def length(declared: str) -> int:
    """Raises BadFrame: what is counted and limited must be known before it comes."""
    if not declared.isdecimal() or int(declared) == 0:
        raise BadFrame(_("The file is empty, or its length is not given."))
    return int(declared)


def _check(upload: Upload) -> None:
    """What can be refused by name and size. Raises KefuError."""
    policy, most = upload.tenant.policy, limits.largest_upload(upload.tenant)
    if not policy.uploads:
        raise Forbidden(_("No files can be sent here."))
    if upload.size > most:
        raise TooLong(_("A file may have at most %(limit)d MB.") % {"limit": most // limits.MB})
    kind = filetypes.kind_named(filetypes.clean_name(upload.name))
    if kind and kind not in policy.upload_kinds:
        raise Blocked(_("Files of this kind cannot be sent."))


# --- While it comes ---------------------------------------------------------------------------------------------------


async def receive(upload: Upload, body: AsyncIterator[bytes]) -> Attachment:
    """The row of a file that is whole, checked and on the disk. Raises KefuError, and then nothing is left of it."""
    _check(upload)
    with limits.transfer(upload.tenant, upload.address):
        if upload.agent is None:
            return await _counted(upload, body)
        return await _kept(upload, Incoming(), body)


async def _counted(upload: Upload, body: AsyncIterator[bytes]) -> Attachment:
    """Of a visitor, whose allowance is taken before; what did not come is given back."""
    visitor, incoming, is_kept = upload.conversation.visitor_id, Incoming(), False
    await asyncio.to_thread(limits.spend_upload, upload.tenant, visitor, upload.address, upload.size)
    try:
        row = await _kept(upload, incoming, body)
        is_kept = True
        return row
    finally:
        if not is_kept:
            left = upload.size - incoming.size
            await asyncio.to_thread(limits.take_back_upload, upload.tenant, visitor, left)


class Incoming:
    """A file that is being written. It is deleted unless it has been moved."""

    size = 0
    path: Path

    async def take(self, body: AsyncIterator[bytes]) -> None:
        with self.path.open("wb") as file:
            waiting = bytearray()
            async for piece in body:
                waiting += piece
                self.size += len(piece)
                if len(waiting) >= PIECE:
                    await asyncio.to_thread(file.write, waiting)
                    waiting = bytearray()
            await asyncio.to_thread(_finish, file, waiting)


def _finish(file: object, rest: bytearray) -> None:
    file.write(rest)  # type: ignore[attr-defined]
    file.flush()  # type: ignore[attr-defined]
    os.fsync(file.fileno())  # type: ignore[attr-defined]


async def _kept(upload: Upload, incoming: Incoming, body: AsyncIterator[bytes]) -> Attachment:
    try:
        incoming.path = await database_call(upload.tenant, _new_place, upload)
        try:
            await incoming.take(body)
            if incoming.size != upload.size:
                raise BadFrame(_("The file did not come whole."))
            return await database_call(upload.tenant, _keep, upload, incoming.path)
        finally:
            incoming.path.unlink(missing_ok=True)
    except OSError:
        raise Overloaded(_("The file could not be stored. Please try again later."), retry_after=60) from None


def _new_place(upload: Upload) -> Path:
    if not has_room_for(upload.tenant, upload.size):
        raise Forbidden(_("There is no room for more files here."))
    folder = _folder(INCOMING)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / secrets.token_hex(16)


def _folder(name: str) -> Path:
    """In the tenant's own storage, so inside its schema."""
    return Path(default_storage.path(name))


# --- Once it is there -------------------------------------------------------------------------------------------------


def _keep(upload: Upload, path: Path) -> Attachment:
    with path.open("rb") as file:
        found = filetypes.find(file, upload.name)
    if found.kind not in upload.tenant.policy.upload_kinds:
        raise Blocked(_("Files of this kind cannot be sent."))
    row = _record(upload, found, path.name)
    try:
        place = Path(row.file.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    except OSError:
        row.delete()
        raise
    return row


def _record(upload: Upload, found: filetypes.Found, token: str) -> Attachment:
    try:
        return Attachment.objects.create(
            conversation=upload.conversation,
            sender_kind=Message.Sender.AGENT if upload.agent else Message.Sender.VISITOR,
            agent=upload.agent,
            name=found.name,
            type=found.type,
            size=upload.size,
            width=found.width,
            height=found.height,
            file=f"{FILES}/{upload.conversation.pk}/{token}",
        )
    except IntegrityError:  # deleted meanwhile
        raise NotFound(_("There is no such conversation.")) from None


# --- Tidying up -------------------------------------------------------------------------------------------------------


def tidy() -> None:
    """Inside the tenant's schema: deletes what no message took, what broke off with its process, and what deleted conversations left."""
    _delete_unsent()
    _delete_broken()
    _delete_deserted()


def _delete_unsent() -> None:
    for row in Attachment.objects.filter(message=None, created_at__lt=timezone.now() - UNSENT):
        _delete_unless_sent(row)


@transaction.atomic
def _delete_unless_sent(row: Attachment) -> None:
    """The conversation's lock first: a message may be about to take the file along."""
    Conversation.objects.select_for_update().filter(pk=row.conversation_id).first()
    if Attachment.objects.filter(pk=row.pk, message=None).exists():
        Path(row.file.path).unlink(missing_ok=True)
        row.delete()


def _delete_broken() -> None:
    too_old = time.time() - UNSENT.total_seconds()
    for path in _files_in(INCOMING):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < too_old:
                path.unlink()


def _delete_deserted() -> None:
    folders = {path.name: path for path in _files_in(FILES)}
    names = list(folders)
    for start in range(0, len(names), 1000):
        some = {name for name in names[start : start + 1000] if _is_uuid(name)}
        alive = {str(pk) for pk in Conversation.objects.filter(pk__in=some).values_list("pk", flat=True)}
        for name in some - alive:
            shutil.rmtree(folders[name], ignore_errors=True)


def _files_in(folder: str) -> list[Path]:
    try:
        return list(_folder(folder).iterdir())
    except FileNotFoundError:  # nothing ever came
        return []


def _is_uuid(name: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) is not None
