"""An archive as it is found: perhaps cut short, changed, or made to harm. Nothing here writes anything."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as DeflateError

from django.utils.translation import gettext as _
from pydantic import ValidationError

from tenants.archive import public
from tenants.archive.files import BLOCK
from tenants.archive.manifest import (
    FORMAT,
    LONGEST_MANIFEST,
    MAC,
    MANIFEST,
    PUBLIC,
    SECRETS,
    SECRETS_FORM,
    Head,
    Manifest,
    Member,
    Secret,
)
from tenants.archive.problems import Damaged, Refused, newer
from tenants.archive.sealing import Seal, seal_for
from tenants.progress import Progress

MOST_IN_MEMORY = (
    64 * 2**20
)  # bytes of what is read as a whole: a tenant's public rows, the list of its secrets
MOST_INFLATED = 200  # times its own size that an archive may become; rows and documents come to 3 to 20
HARMLESS = 128 * 2**20  # bytes that it may become in any case: many rows may say the same


@dataclass
class Archive:
    zip: ZipFile
    manifest: Manifest
    seal: Seal | None = None
    rows: public.Rows = field(default_factory=dict)
    secrets: list[Secret] = field(default_factory=list)

    def blocks(self, name: str) -> Iterator[bytes]:
        """A member's content. Raises Refused, at its end at the latest, where it is not what the manifest says."""
        return checked(self.zip, name, self.manifest.members()[name])

    def whole(self, name: str) -> bytes:
        if self.manifest.members()[name].bytes > MOST_IN_MEMORY:
            raise Damaged(f"{name} is too large")
        return b"".join(self.blocks(name))


def checked(archive: ZipFile, name: str, member: Member) -> Iterator[bytes]:
    digest, left = sha256(), member.bytes
    try:
        with archive.open(name) as source:
            while block := source.read(min(BLOCK, left + 1)):
                left -= len(block)
                if left < 0:
                    break
                digest.update(block)
                yield block
    except (BadZipFile, DeflateError, EOFError, OSError) as error:
        raise Damaged(f"{name}: {error}") from None
    if left or digest.hexdigest() != member.sha256:
        raise Damaged(f"{name} is not what was written")


@contextmanager
def opened(path: Path, key: bytes | None = None) -> Iterator[Archive]:
    """An archive whose parts are all there and fit together; `verify` says whether they are whole. Raises Refused."""
    try:
        with ZipFile(path) as file:
            archive = _read(file, key)
            _check_members(archive, path)
            archive.rows = public.read(archive.whole(PUBLIC))
            archive.secrets = _secrets(archive)
            yield archive
    except FileNotFoundError:
        raise Refused(_("There is no file %(path)s.") % {"path": path}) from None
    except (BadZipFile, IsADirectoryError):
        raise Refused(_("%(path)s is no archive, or was cut short.") % {"path": path}) from None


def verify(archive: Archive, progress: Progress) -> None:
    """Reads everything once. Raises Refused for a byte that is not as it was written."""
    total = sum(member.bytes for member in archive.manifest.members().values())
    done = 0
    for name in archive.manifest.members():
        for block in archive.blocks(name):
            done += len(block)
            progress("verify", done, total)


def _read(file: ZipFile, key: bytes | None) -> Archive:
    text = _short(file, MANIFEST, LONGEST_MANIFEST)
    try:
        if (found := Head.model_validate_json(text).format) != FORMAT:
            raise newer(f"format {found}")
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise Damaged(f"{MANIFEST}: {_first(error)}") from None
    if key is None or not manifest.is_sealed:
        return Archive(file, manifest)
    seal = seal_for(manifest.id, key)
    seal.check(text, _short(file, MAC, 64))
    return Archive(file, manifest, seal)


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg'][:120]}"


def _short(file: ZipFile, name: str, longest: int) -> bytes:
    try:
        with file.open(name) as source:
            text = source.read(longest + 1)
    except (KeyError, NotImplementedError, RuntimeError, DeflateError, EOFError):
        raise Damaged(f"it holds no {name} that can be read") from None
    if len(text) > longest:
        raise Damaged(f"{name} is too large")
    return text


def _check_members(archive: Archive, path: Path) -> None:
    manifest, found = archive.manifest, archive.zip.infolist()
    wanted = {MANIFEST, *manifest.members()} | ({MAC} if manifest.is_sealed else set())
    if len(manifest.members()) != 2 + len(manifest.tables) + len(manifest.files):
        raise Damaged("its manifest names something twice")
    if len(found) != len(wanted) or {info.filename for info in found} != wanted:
        raise Damaged("it does not hold what its manifest says, or more than that")
    if strange := next((info for info in found if not _is_plain(info)), None):
        raise Damaged(f"{strange.filename[:100]} is no plain file")
    total = sum(member.bytes for member in manifest.members().values())
    if total > max(HARMLESS, MOST_INFLATED * path.stat().st_size):
        raise Damaged(f"it would become {total} bytes, more than {MOST_INFLATED} times its size")


def _is_plain(info: ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    is_encrypted = bool(info.flag_bits & 1)
    return kind in (0, stat.S_IFREG) and not is_encrypted and info.compress_type in (ZIP_STORED, ZIP_DEFLATED)


def _secrets(archive: Archive) -> list[Secret]:
    try:
        return SECRETS_FORM.validate_json(archive.whole(SECRETS))
    except ValidationError as error:
        raise Damaged(f"{SECRETS}: {_first(error)}") from None
