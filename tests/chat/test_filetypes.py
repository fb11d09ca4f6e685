"""What a file is, by its content; and what is left of its name."""

from __future__ import annotations

import io
import struct

import pytest
from django.utils import translation

from chat import filetypes, uploads
from chat.filetypes import clean_name, find
from kefu.errors import BadFrame, Blocked
from tests.chat.files import PDF, archive, docx, gif, jpeg, png, webp

OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>'
HTML = b"<!doctype html><script>alert(document.cookie)</script>"
XLSX = archive(**{"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})
ODT = archive(mimetype="application/vnd.oasis.opendocument.text", **{"content.xml": "<x/>"})


@pytest.mark.parametrize(
    ("name", "content", "type", "kind"),
    [
        ("a.png", png(), "image/png", "pictures"),
        ("a.JPG", jpeg(), "image/jpeg", "pictures"),
        ("a.gif", gif(), "image/gif", "pictures"),
        ("a.webp", webp(), "image/webp", "pictures"),
        ("a.png", jpeg(), "image/jpeg", "pictures"),  # pictures are often called wrong, and do no harm
        ("a.pdf", PDF, "application/pdf", "pdf"),
        ("a.docx", docx(), filetypes.ENDS["office"]["docx"], "office"),
        ("a.xlsx", XLSX, filetypes.ENDS["office"]["xlsx"], "office"),
        ("a.odt", ODT, filetypes.ENDS["office"]["odt"], "office"),
        ("a.xls", OLD_WORD, "application/vnd.ms-excel", "office"),
        ("a.txt", "退货单".encode("gbk"), "text/plain", "text"),
        ("a.csv", "名称,数量\n".encode(), "text/csv", "text"),
        ("a.txt", "hello".encode("utf-16"), "text/plain", "text"),
        ("a.txt", HTML, "text/plain", "text"),
        ("a.zip", archive(), "application/zip", "archives"),
    ],
)
def test_it_goes_by_the_content(name: str, content: bytes, type: str, kind: str) -> None:
    found = find(io.BytesIO(content), name)
    assert (found.name, found.type, found.kind) == (name, type, kind)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", HTML),
        ("a.png", SVG),
        ("a.jpg", PDF),
        ("a.pdf", png()),
        ("a.html", HTML),
        ("a.svg", SVG),
        ("a.html", png() + HTML),
        ("a.svg", gif() + SVG),
        ("a.js", b"alert(1)"),
        ("a.docx", archive()),
        ("a.zip.exe", archive()),
        ("a.png", b"MZ" + bytes(100)),
        ("a.txt", b"\x7fELF" + bytes(100)),
        ("a.txt", b"text \x00 and more"),
        ("a.exe", b"MZ" + bytes(100)),
        ("a.mp4", bytes(4) + b"ftypisom"),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.jpg", b"\xff\xd8\xff"),
        ("a.jpg", b"\xff\xd8" + b"\xff\xe0\x00\x02" * 5000),
        ("a.gif", b"GIF89a"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WEBP"),
        ("a.png", png(0, 5)),
        ("a.png", png(30_000, 30_000)),
        ("a.jpg", jpeg(65_000, 65_000)),
        ("a.gif", gif(65_000, 65_000)),
        ("a.webp", webp(16_000_000, 16_000_000)),
    ],
)
def test_h27_h39_it_refuses_what_is_not_what_its_name_says_or_could_harm_who_looks(
    name: str, content: bytes
) -> None:
    with pytest.raises(Blocked):
        find(io.BytesIO(content), name)


@pytest.mark.parametrize("make", [png, jpeg, gif, webp])
def test_it_reads_a_pictures_size_from_its_head(make: object) -> None:
    found = find(io.BytesIO(make(640, 480)), "a.png")  # type: ignore[operator]
    assert (found.width, found.height) == (640, 480)


def test_it_gives_a_name_the_end_that_it_lacks() -> None:
    with translation.override("en"):
        assert find(io.BytesIO(png()), "screenshot").name == "screenshot.png"
        assert find(io.BytesIO(PDF), "").name == "file.pdf"


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\evil.png", "evil.png"),
        ("/absolute/a.png", "a.png"),
        ("C:\\a.png", "a.png"),
        ("..", "file"),
        (".png", "png"),
        ("", "file"),
        ("\x00a\r\nSet-Cookie: x=1.png", "aSet-Cookie_ x=1.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("a\u200b.p\u2066ng", "a.png"),
        ("  a   b .png", "a b .png"),
        ('<img src=x onerror="alert(1)">.png', "_img src=x onerror=_alert(1)__.png"),
        ("名字 💡.png", "名字 💡.png"),
        ("\ud800.png", "png"),
        ("a" * 500 + ".png", "a" * 146 + ".png"),
        ("a." + "b" * 500, "a." + "b" * 148),
        ("con.", "con"),
    ],
)
def test_h26_it_leaves_of_a_name_what_is_a_name(name: str, clean: str) -> None:
    with translation.override("en"):
        assert clean_name(name) == clean


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*=UTF-8''%E7%85%A7%E7%89%87.png", "照片.png"),
        ("attachment; filename=\"a.png\"; filename*=utf-8'zh'%E7%85%A7.png", "照.png"),
        ('attachment; filename="a \\"b\\".png"', 'a "b".png'),
        ("attachment; filename=a.png", "a.png"),
        ("attachment; filename*=UTF-8''%FF%FE.png", "\ufffd\ufffd.png"),
        ("attachment; filename*=x-evil''a.png", ""),
        ("attachment", ""),
        ("", ""),
    ],
)
def test_it_reads_the_name_from_the_header_of_an_upload(header: str, name: str) -> None:
    assert uploads.named(header) == name


@pytest.mark.parametrize("declared", ["", "0", "-1", "1e3", "٣x", "x"])
def test_it_wants_to_know_how_much_comes(declared: str) -> None:
    with pytest.raises(BadFrame):
        uploads.length(declared)


def test_it_takes_no_longer_over_a_hostile_picture_than_over_any() -> None:
    segments = b"\xff\xd8" + b"\xff\xe1" + struct.pack(">H", 2)
    with pytest.raises(Blocked):
        find(io.BytesIO(segments * 100_000), "a.jpg")
