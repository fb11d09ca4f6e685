"""The files of a tenant, and an archive's own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO
from zipfile import ZipFile, ZipInfo

from django.conf import settings
from django.utils.translation import gettext as _

from tenants.archive.manifest import Member
from tenants.archive.problems import Refused

SUFFIX = ".kefu"
BLOCK = 2**20  # bytes


def folder_of(schema_name: str) -> Path:
    """Where a tenant's files are, whether it is there or not; a test holds this against the storage itself."""
    return Path(settings.MEDIA_ROOT, settings.MULTITENANT_RELATIVE_MEDIA_ROOT % schema_name)


def below(top: Path) -> Iterator[tuple[str, Path]]:
    """Every plain file, by its path below `top`, in order. Links are not followed: what they lead to is not the tenant's."""
    for place, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(top).as_posix(), path


def blocks_of(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def store(archive: ZipFile, name: str, blocks: Iterable[bytes]) -> Member:
    """Writes one member; what it is, for the manifest."""
    digest, size = sha256(), 0
    info = ZipInfo(name)
    info.compress_type, info.external_attr = archive.compression, 0o600 << 16
    with archive.open(info, "w", force_zip64=True) as target:
        for block in blocks:
            target.write(block)
            digest.update(block)
            size += len(block)
    return Member(bytes=size, sha256=digest.hexdigest())


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A new file that is at `path` once it is complete and on the disk, and never before. It is for its owner alone.

    What a killed run left is removed by the next one that writes into the same folder.
    """
    if path.suffix != SUFFIX:
        raise Refused(_("The name of an archive ends in %(suffix)s.") % {"suffix": SUFFIX})
    if path.exists():
        raise Refused(_("%(path)s is there already.") % {"path": path})
    _remove_leftovers(path.parent)
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    sync_folder(path.parent)


def _remove_leftovers(place: Path) -> None:
    """Parts that no living process holds."""
    for part in place.glob(f".*{SUFFIX}.part"):
        with contextlib.suppress(OSError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def sync_folder(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- Arriving ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arriving:
    """Files of a tenant that is not there yet. The folder `mark` stays until it is: what lies at `target` meanwhile is nobody's."""

    mark: Path
    target: Path

    @property
    def staged(self) -> Path:
        return self.mark / "files"

    def begin(self) -> None:
        """Clears what a killed import left. Only where there is no tenant of this name."""
        self.undo()
        self.staged.mkdir(parents=True)

    def write(self, path: str, blocks: Iterable[bytes]) -> None:
        place = self.staged / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.writelines(blocks)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # no room, a name that is too long, a file where a folder should be
            text = _("%(path)s cannot be written: %(why)s")
            raise Refused(text % {"path": path, "why": error.strerror}) from None

    def into_place(self) -> None:
        self.staged.rename(self.target)
        sync_folder(self.target.parent)

    def undo(self) -> None:
        if self.mark.exists():
            shutil.rmtree(self.target, ignore_errors=True)
            shutil.rmtree(self.mark)

    def end(self) -> None:
        """The tenant is there, and the files are its own."""
        self.mark.rmdir()


def arriving(schema_name: str) -> Arriving:
    target = folder_of(schema_name)
    return Arriving(target.parent / ".arriving" / schema_name, target)  # no schema's name begins with a dot
