"""What a file is: by its content, never by what its sender says. Its name must be one that such a file may have.

Nothing is decoded, unpacked or run here; a picture's size is read from its head, because who opens it decodes it whole.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from django.utils.translation import gettext as _

from kefu.errors import Blocked
from tenants.models import Policy

Files = Policy.Files

HEAD, TAIL = 4096, 128 * 1024  # bytes that are looked at
LONGEST_NAME = 150
MOST_PIXELS = 50_000_000  # a browser needs four bytes for each
MOST_SEGMENTS = 1000  # of a JPEG before its frame
INLINE = {
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
}  # shown where they are; all else is only saved


@dataclass(frozen=True)
class Found:
    name: str  # as it may be shown and saved
    type: str
    kind: str  # of Policy.Files
    width: int | None = None
    height: int | None = None


# By the ends that names may have. The first one of a kind is given to a file that has none.
ENDS: dict[str, dict[str, str]] = {
    Files.PICTURES: {
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    },
    Files.PDF: {"pdf": "application/pdf"},
    Files.OFFICE: {
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text",
        "ods": "application/vnd.oasis.opendocument.spreadsheet",
        "odp": "application/vnd.oasis.opendocument.presentation",
        "doc": "application/msword",
        "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
    },
    Files.TEXT: {"txt": "text/plain", "csv": "text/csv", "md": "text/markdown", "log": "text/plain"},
    Files.ARCHIVES: {"zip": "application/zip"},
}  # fmt: skip
KIND_OF_END = {end: kind for kind, ends in ENDS.items() for end in ends}
IN_A_ZIP = {
    "docx": b"word/",
    "xlsx": b"xl/",
    "pptx": b"ppt/",
}  # folders that tell one such document from another
OLD_OFFICE = ("doc", "xls", "ppt")  # one container for all three


def kind_named(name: str) -> str:
    """The kind that a file of this name would be; "" where there is none of it."""
    return KIND_OF_END.get(_end(name), "")


def ends_of(kinds: list[str]) -> list[str]:
    return [end for kind in kinds for end in ENDS.get(kind, ())]


def find(file: BinaryIO, name: str) -> Found:
    """Raises Blocked where the content is nothing that is known, or something else than the name says."""
    name = clean_name(name)
    end = _end_of_content(file, _end(name))
    if not end:
        raise Blocked(_("Files of this kind cannot be sent."))
    kind = KIND_OF_END[end]
    if not _end(name):
        name = f"{name}.{end}"
    if kind_named(name) != kind:
        raise Blocked(_("The content of this file is not what its name says."))
    type, size = ENDS[kind][end], None
    if kind == Files.PICTURES:
        size = _pixels(file, type)
    return Found(name, type, kind, *(size or ()))


# --- Names ------------------------------------------------------------------------------------------------------------

# Of any system's paths; and what is invisible, turns text around, or is half of a letter.
SEPARATORS = re.compile(r"[/\\]+")
FORBIDDEN = re.compile(r'[<>:"|?*]')
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean_name(name: str) -> str:
    """What is left of a name when it is only a name: no folder, nothing invisible, not too long; its end stays."""
    name = unicodedata.normalize("NFC", SEPARATORS.split(name.strip())[-1])
    name = "".join(letter for letter in name if unicodedata.category(letter) not in INVISIBLE)
    name = " ".join(FORBIDDEN.sub("_", name).split()).strip(". ")
    stem, dot, end = name.rpartition(".")
    if len(name) > LONGEST_NAME:
        name = (
            f"{stem[: LONGEST_NAME - len(end) - 1]}.{end}" if dot and len(end) < 10 else name[:LONGEST_NAME]
        )
    return name or _("file")


def _end(name: str) -> str:
    return PurePosixPath(name).suffix.lstrip(".").lower()


# --- Content ----------------------------------------------------------------------------------------------------------


def _end_of_content(file: BinaryIO, named: str) -> str:
    """The end that a name of such a content has. `named`: the end that it has, where the content leaves a choice."""
    file.seek(0)
    head = file.read(HEAD)
    for end, is_it in MARKS.items():
        if is_it(head):
            return end
    if head.startswith(b"PK\x03\x04"):
        return _end_of_zip(file, head)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return named if named in OLD_OFFICE else "doc"
    if head and _is_text(file):
        return named if named in ENDS[Files.TEXT] else "txt"
    return ""


MARKS: dict[str, Callable[[bytes], bool]] = {
    "png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "jpg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "gif": lambda head: head.startswith((b"GIF87a", b"GIF89a")),
    "webp": lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP",
    "pdf": lambda head: head.startswith(b"%PDF-"),
}


def _end_of_zip(file: BinaryIO, head: bytes) -> str:
    """Without unpacking anything: an office document names its parts in the list at its end, or its type in the first entry."""
    for end in ("odt", "ods", "odp"):
        if head[30:].startswith(b"mimetype" + ENDS[Files.OFFICE][end].encode()):
            return end
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL))
    listed = file.read()
    if b"[Content_Types].xml" in listed:
        for end, folder in IN_A_ZIP.items():
            if folder in listed:
                return end
    return "zip"


CONTROLS = bytes({*range(32), 127} - {*b"\t\n\r\f\x1b"})


def _is_text(file: BinaryIO) -> bool:
    """Whether it holds nothing but what texts hold, in any encoding that keeps ASCII, or in UTF-16 with its mark."""
    file.seek(0)
    if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
        return True
    file.seek(0)
    while piece := file.read(2**16):
        if piece.translate(None, CONTROLS) != piece:
            return False
    return True


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _pixels(file: BinaryIO, type: str) -> tuple[int, int]:
    """(width, height). Raises Blocked for a picture that says neither, or would be too large to look at."""
    file.seek(0)
    try:
        width, height = SIZES[type](file)
    except (struct.error, ValueError):
        width = height = 0
    if not width or not height:
        raise Blocked(_("This picture is damaged."))
    if width * height > MOST_PIXELS:
        raise Blocked(_("This picture has too many pixels."))
    return width, height


def _png(file: BinaryIO) -> tuple[int, int]:
    width, height = struct.unpack(">II", file.read(24)[16:24])
    return width, height


def _gif(file: BinaryIO) -> tuple[int, int]:
    width, height = struct.unpack("<HH", file.read(10)[6:10])
    return width, height


def _webp(file: BinaryIO) -> tuple[int, int]:
    head = file.read(30)
    form = head[12:16]
    if form == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if form == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    """From one segment to the next, up to the one that begins a frame."""
    file.seek(2)
    for _segment in range(MOST_SEGMENTS):
        mark, code = file.read(2)
        if mark != 0xFF or code == 0xDA:
            break
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    return 0, 0


SIZES: dict[str, Callable[[BinaryIO], tuple[int, int]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
