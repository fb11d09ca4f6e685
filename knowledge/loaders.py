"""Turns files into Markdown-like text. Runs in a child process (`knowledge.parse`) and knows no Django."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

UNPACKED_BYTES = 200_000_000
UNPACKED_RATIO = 200
UNPACKED_FREE = 20_000_000  # below this a high ratio harms nobody: empty spreadsheets compress very well
MAX_MEMBERS = 5_000
MAX_PAGES = 2_000
MAX_ROWS = 50_000

HEADING_STYLE = re.compile(r"(?:heading|标题)\s*(\d)", re.IGNORECASE)
SENTENCE_ENDS = tuple("。！？；：.!?;:”」）)")
CJK = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
# A PDF knows no headings; Chinese documents number them.
NUMBERED_HEADING = re.compile(
    r"\A(?:[一二三四五六七八九十]+、|第[一二三四五六七八九十百\d]+[章节条])[^。；！？，,;]{1,30}\Z"
)
LINE_STARTS_ANEW = re.compile(
    r"\s*(?:[#\-*•·●|]|\d+[.、)）]|[(（]?[一二三四五六七八九十]+[、.)）]|第[一二三四五六七八九十百\d]+[章节条])"
)


class Unreadable(Exception):
    """The file cannot be read; `reason` is a key of `knowledge.loading.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def load_pdf(data: bytes) -> str:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise Unreadable("encrypted" if "assword" in str(error) else "damaged") from error
    if len(document) > MAX_PAGES:
        raise Unreadable("too_long")
    pages = [page.get_textpage().get_text_bounded() for page in document]
    if not any(page.strip() for page in pages):
        raise Unreadable("no_text_layer")
    return "\n\n".join(_unwrap(page.splitlines()) for page in pages)


def _unwrap(lines: Iterable[str]) -> str:
    """Joins lines that only the width of the page broke."""
    paragraphs: list[str] = []
    is_open = False
    for line in (NUMBERED_HEADING.sub(r"## \g<0>", raw.strip()) for raw in lines):
        if line and is_open and not LINE_STARTS_ANEW.match(line):
            glue = "" if CJK.match(line) or CJK.match(paragraphs[-1][-1]) else " "
            paragraphs[-1] += glue + line
        elif line:
            paragraphs.append(line)
        # A short line is a heading or the end of a list item, not one that the margin cut.
        is_open = len(line) >= 24 and not line.startswith("## ") and not line.endswith(SENTENCE_ENDS)
    return "\n\n".join(paragraphs)


def load_docx(data: bytes) -> str:
    import docx
    from docx.opc.exceptions import OpcError
    from docx.table import Table

    _refuse_bomb(data)
    try:
        document = docx.Document(io.BytesIO(data))
        blocks = [
            _table([cell.text for cell in row.cells] for row in block.rows)
            if isinstance(block, Table)
            else _paragraph(block)
            for block in document.iter_inner_content()
        ]
    except (AttributeError, KeyError, OpcError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
        raise Unreadable("damaged") from error
    return _joined([block for block in blocks if block.strip()])


def _joined(blocks: Sequence[str]) -> str:
    """Blocks apart, but the items of one list together."""
    text = ""
    for before, block in zip(["", *blocks], blocks, strict=False):
        glue = "\n" if before.startswith("- ") and block.startswith("- ") else "\n\n"
        text += block if not text else glue + block
    return text


def _paragraph(paragraph: Any) -> str:
    text = paragraph.text.strip()
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if not text:
        return ""
    if style in {"Title", "标题"}:
        return f"# {text}"
    if heading := HEADING_STYLE.match(style):
        return f"{'#' * min(int(heading[1]), 6)} {text}"
    return f"- {text}" if style.startswith(("List", "列表", "列出")) else text


def _table(rows: Iterable[Sequence[str]]) -> str:
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    if not cells:
        return ""
    header, *body = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([header, "|" + " --- |" * len(cells[0]), *body])


def load_sheets(data: bytes) -> str:
    import python_calamine

    if data[:2] == b"PK":
        _refuse_bomb(data)
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = [(name, workbook.get_sheet_by_name(name).iter_rows()) for name in workbook.sheet_names]
        parts = [
            f"## {name}\n\n{_records([_cell(cell) for cell in row] for row in rows)}" for name, rows in sheets
        ]
    except python_calamine.PasswordError as error:
        raise Unreadable("encrypted") from error
    except (python_calamine.CalamineError, zipfile.BadZipFile, ValueError) as error:
        raise Unreadable("damaged") from error
    return "\n\n".join(parts)


def load_csv(data: bytes) -> str:
    text = _decode(data)
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:4_096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        return _records(csv.reader(io.StringIO(text), dialect))
    except csv.Error as error:
        raise Unreadable("damaged") from error


def _records(rows: Iterable[Sequence[str]]) -> str:
    """Each row as a line with the column names in it, so that it can be understood without the others."""
    return "\n".join(_record_lines(rows))


def _record_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    header: Sequence[str] = ()
    for count, row in enumerate(rows):
        if count > MAX_ROWS:
            raise Unreadable("too_long")
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if not header:
            header = cells
            continue
        named = zip([*header, *[""] * len(cells)], cells, strict=False)
        yield "- " + "；".join(f"{name}：{cell}" if name else cell for name, cell in named if cell)
    # A single line is no header of anything.
    if header and count == 0:
        yield "- " + "；".join(cell for cell in header if cell)


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def load_html(data: bytes) -> str:
    import trafilatura
    from trafilatura.settings import use_config

    config = use_config()
    # With its defaults a short page of questions and answers loses its headings and tables.
    for setting in (
        "MIN_EXTRACTED_SIZE",
        "MIN_OUTPUT_SIZE",
        "MIN_EXTRACTED_COMM_SIZE",
        "MIN_OUTPUT_COMM_SIZE",
    ):
        config.set("DEFAULT", setting, "20")
    page = _decode(data)
    text = trafilatura.extract(
        page, output_format="markdown", include_tables=True, include_comments=False, config=config
    )
    if not text:
        raise Unreadable("empty")
    title = _first_heading(page)
    # It takes the page's first heading for furniture, though it says what all of the page is about.
    return text if not title or title in text else f"# {title}\n\n{text}"


def _first_heading(page: str) -> str:
    from trafilatura import load_html as tree_of

    tree = tree_of(page)
    headings = tree.iter("h1") if tree is not None else ()
    return next((text for heading in headings if (text := " ".join(heading.text_content().split()))), "")


def load_text(data: bytes) -> str:
    return _decode(data)


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strictly(data, "utf-16")
    if b"\0" in data:
        raise Unreadable("not_text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _strictly(data, "gb18030")


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable("not_text") from error


def _refuse_bomb(data: bytes) -> None:
    """Looks at the table of contents only: nothing is unpacked before the sum is known."""
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        # Office files with a password are no zip at all, but a compound file.
        raise Unreadable("encrypted" if data[:4] == b"\xd0\xcf\x11\xe0" else "damaged") from error
    unpacked = sum(member.file_size for member in members)
    too_dense = unpacked > UNPACKED_FREE and unpacked > UNPACKED_RATIO * len(data)
    if len(members) > MAX_MEMBERS or unpacked > UNPACKED_BYTES or too_dense:
        raise Unreadable("bomb")


LOADERS: dict[str, Callable[[bytes], str]] = {
    "pdf": load_pdf,
    "docx": load_docx,
    "xlsx": load_sheets,
    "csv": load_csv,
    "md": load_text,
    "html": load_html,
    "txt": load_text,
}
