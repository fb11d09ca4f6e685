"""What a stranger's file may do to us: nothing. (H38, H39, H42)"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import docx
import pytest

from knowledge import loading
from knowledge.loaders import LOADERS
from knowledge.loading import LoadError, kind_of, load

PROJECT = Path(__file__).parents[2]
DOCUMENTS = PROJECT / "kefu" / "demo" / "acme" / "documents"


def refused(kind: str, data: bytes) -> str:
    with pytest.raises(LoadError) as caught:
        load(kind, data)
    assert str(caught.value)
    return caught.value.reason


def docx_of(*paragraphs: tuple[str, str]) -> bytes:
    document = docx.Document()
    for text, style in paragraphs:
        document.add_paragraph(text, style=style)
    table = document.add_table(rows=0, cols=2)
    for row in (("型号", "保修"), ("电饭煲", "1 年|3 年")):
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = value
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def with_member(archive: bytes, name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member.filename, old.read(member))
        new.writestr(name, content)
    return file.getvalue()


def test_it_reads_a_word_document_with_headings_lists_and_tables() -> None:
    data = docx_of(
        ("退换货政策", "Title"),
        ("运费", "Heading 1"),
        ("第一条", "List Bullet"),
        ("第二条", "List Bullet"),
        ("完", "Normal"),
    )
    assert load("docx", data) == (
        "# 退换货政策\n\n# 运费\n\n- 第一条\n- 第二条\n\n完\n\n| 型号 | 保修 |\n| --- | --- |\n| 电饭煲 | 1 年\\|3 年 |"
    )


def test_it_reads_a_pdf_and_joins_lines_that_the_page_broke() -> None:
    text = load("pdf", (DOCUMENTS / "product-guide.pdf").read_bytes())
    assert "## 一、IH 电饭煲 AK-RC40" in text
    assert "夏天建议不超过 8 小时，以免米水变味" in text


def test_it_reads_a_spreadsheet_as_lines_that_name_their_columns() -> None:
    text = load("xlsx", (DOCUMENTS / "warranty-periods.xlsx").read_bytes())
    assert "## 保修期限" in text
    assert "- 品类：电饭煲；代表型号：AK-RC40；整机保修：1 年" in text


def test_it_reads_tables_as_text_in_several_encodings() -> None:
    expected = "- 型号：电饭煲；保修：1 年\n- 型号：水壶；保修：2 年"
    table = "型号,保修\n电饭煲,1 年\n\n水壶,2 年\n"
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        assert load("csv", table.encode(encoding)) == expected
    assert load("csv", table.replace(",", ";").encode()) == expected


def test_it_reads_a_web_page_without_its_furniture() -> None:
    page = """<html><body><nav><a href="/">首页</a><a href="/cart">购物车</a></nav><h1>退货政策</h1><p>七天内可以无理由退货，
    运费由您承担。</p><table><tr><th>型号</th><th>保修</th></tr><tr><td>水壶</td><td>1 年</td></tr></table>
    <script>alert(1)</script><footer>版权所有</footer></body></html>"""
    text = load("html", page.encode())
    assert text.startswith("# 退货政策\n\n七天内可以无理由退货")
    assert "| 水壶 | 1 年 |" in text
    assert "购物车" not in text and "alert" not in text


def test_it_leaves_markdown_as_it_is_but_tidies_it() -> None:
    assert (
        load("md", "\ufeff# 题\r\n\r\n\r\n\r\n正文 \x00\x07".replace("\x00", "").encode()) == "# 题\n\n正文"
    )


def test_it_says_in_a_sentence_what_is_wrong_with_a_file() -> None:
    assert refused("pdf", b"%PDF-1.7 nonsense") == "damaged"
    assert refused("docx", b"PK\x03\x04 nonsense") == "damaged"
    assert refused("xlsx", b"nonsense") == "damaged"
    assert refused("docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)) == "encrypted"
    assert refused("txt", b"\x00\x01\x02\xff") == "not_text"
    assert refused("txt", b" \n ") == "empty"
    assert refused("exe", b"MZ") == "unknown_kind"


def test_it_refuses_a_zip_bomb_before_unpacking_it() -> None:
    bomb = with_member(docx_of(("x", "Normal")), "word/media/bomb.bin", bytes(300_000_000))
    assert len(bomb) < 1_000_000
    assert refused("docx", bomb) == refused("xlsx", bomb) == "bomb"


def test_it_reads_no_file_through_an_xml_entity(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP-SECRET")
    body = f"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}"><!ENTITY y "AAAA">]>
    <w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>
    <w:t>before</w:t></w:r></w:p><w:p><w:r><w:t>&x;&y;</w:t></w:r></w:p></w:body></w:document>"""
    data = with_member(docx_of(("x", "Normal")), "word/document.xml", body.encode())
    try:
        text = load("docx", data)
    except LoadError:
        text = ""
    assert "TOP-SECRET" not in text


def test_it_survives_a_thousandfold_entity() -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    body = f"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a0 "lol">{levels}]>
    <w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&a9;</w:t>
    </w:r></w:p></w:body></w:document>"""
    data = with_member(docx_of(("x", "Normal")), "word/document.xml", body.encode())
    try:
        assert len(load("docx", data)) < 1_000
    except LoadError as error:
        assert error.reason in {"damaged", "empty", "crashed"}


def test_it_stops_waiting_for_a_file_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "WALL_SECONDS", 0.01)
    assert refused("md", b"# x") == "too_slow"


@pytest.mark.parametrize(
    "act",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('{path}', 'w')",
        "import os; os.open('{path}', os.O_WRONLY | os.O_CREAT)",
        "import os; os.remove('{path}')",
        "bytearray(4_000_000_000)",
    ],
)
def test_it_confines_the_parser(act: str, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("kept")
    code = f"from knowledge.parse import confine; confine(); {act.format(path=path)}"
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=20, check=False
    )
    assert child.returncode != 0
    assert "PermissionError: a parser tried" in child.stderr or "MemoryError" in child.stderr
    assert path.read_text() == "kept"


def test_it_gives_the_parser_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEFU_SECRET_KEY_CANARY", "canary")
    seen: dict[str, object] = {}
    real = subprocess.run

    def run(*args: object, **kwargs: object) -> object:
        seen.update(kwargs)
        return real(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(loading.subprocess, "run", run)
    load("md", b"x")
    assert "canary" not in str(seen["env"])


def test_it_knows_the_kind_by_the_name() -> None:
    assert [kind_of(name) for name in ("a.PDF", "b.htm", "c.markdown", "d.xls", "e.exe", "f")] == [
        "pdf",
        "html",
        "md",
        "xlsx",
        None,
        None,
    ]
    assert set(loading.KINDS.values()) == set(LOADERS)
