"""Real files, made here, and the clients' way of sending and fetching them."""

from __future__ import annotations

import http.client
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.core.files.storage import default_storage
from docx import Document

from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import PATIENCE, Place, Visitor


def png(width: int = 4, height: int = 3, colour: bytes = b"\x33\x66\xcc") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = (b"\x00" + colour * width) * height if width * height < 10**7 else b""
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(width: int = 4, height: int = 3) -> bytes:
    """Its head, which is all that is looked at: the first segment is a note, the second begins the frame."""
    frame = struct.pack(">HHBHHB", 0xFFC0, 8, 8, height, width, 0)
    return b"\xff\xd8" + b"\xff\xe0\x00\x10JFIF\x00" + bytes(9) + frame + b"\xff\xd9"


def gif(width: int = 4, height: int = 3) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00;"


def webp(width: int = 4, height: int = 3) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body += (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def docx(text: str = "hello") -> bytes:
    document, file = Document(), io.BytesIO()
    document.add_paragraph(text)
    document.save(file)
    return file.getvalue()


def archive(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, text in (members or {"a.txt": "a"}).items():
            packed.writestr(name, text)
    return file.getvalue()


PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage = field(repr=False)
    body: bytes
    json: Any = None


def ask(
    place: Place, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str
) -> Answer:
    import json

    line = http.client.HTTPConnection("127.0.0.1", place.port, timeout=PATIENCE)
    try:
        line.request(method, path, body, {"Host": f"{place.host}:{place.port}"} | headers)
        got = line.getresponse()
        data = got.read()
    finally:
        line.close()
    is_json = "json" in (got.headers["Content-Type"] or "")
    return Answer(got.status, got.headers, data, json.loads(data) if is_json else None)


def address_of(conversation: object, attachment: object = "") -> str:
    return f"/api/v1/conversations/{conversation}/attachments" + (f"/{attachment}" if attachment else "")


def disposition(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


def upload(visitor: Visitor, data: bytes, name: str = "photo.png", **headers: str) -> Answer:
    known = visitor.credentials | disposition(name)
    return ask(visitor.place, "POST", address_of(visitor.conversation), data, **(known | headers))


def agents(place: Place, key: str) -> dict[str, str]:
    """What a console's page sends along."""
    return {"Cookie": f"sessionid={key}", "Origin": place.origin}


def stored(tenant: Tenant, folder: str = "") -> list[Path]:
    """Every file of uploads on the disk, of one conversation, or of all with those that have not come whole."""
    with inside(tenant):
        root = Path(default_storage.path("."))
    folders = [root / "attachments" / folder] if folder else [root / "attachments", root / "incoming"]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
