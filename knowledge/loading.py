"""The parent's side of parsing: starts the child, waits only so long, and says what went wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from knowledge.loaders import LOADERS
from knowledge.parse import OUTPUT_BYTES, REFUSED

FILE_BYTES = 100_000_000
WALL_SECONDS = 30
PROJECT = Path(__file__).resolve().parent.parent
BLANK_LINES = re.compile(r"\n{3,}")
UNWANTED = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0x200B, 0xFEFF])

# What a file's name says it is.
KINDS = {
    ".pdf": "pdf", ".docx": "docx", ".xlsx": "xlsx", ".xls": "xlsx", ".ods": "xlsx", ".csv": "csv",
    ".tsv": "csv", ".md": "md", ".markdown": "md", ".html": "html", ".htm": "html", ".txt": "txt",
}  # fmt: skip

REASONS: dict[str, Promise] = {
    "bomb": _("The file would unpack to far more data than its size promises, so it was not opened."),
    "crashed": _("The file could not be read. It may be damaged or too complicated."),
    "damaged": _("The file is damaged, or is not of the kind that its name says."),
    "empty": _("No text was found in the file."),
    "encrypted": _("The file is protected by a password. Remove the password and upload it again."),
    "no_text_layer": _(
        "The PDF holds pictures of pages and no text. Recognise its text (OCR) and upload it again."
    ),
    "not_text": _("The file is not text in a known encoding (UTF-8, UTF-16 or GB18030)."),
    "too_large": _("The file is larger than the limit of 100 MB."),
    "too_long": _("The file holds more text than can be indexed at once. Split it into several files."),
    "too_much_memory": _("Reading the file took more memory than allowed."),
    "too_slow": _("Reading the file took longer than 30 seconds and was stopped."),
    "unknown_kind": _("Files of this kind cannot be read."),
}


class LoadError(Exception):
    """`str()` is a sentence for the person who uploaded the file; `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason

    def __str__(self) -> str:
        return str(REASONS[self.reason])


def kind_of(file_name: str) -> str | None:
    return KINDS.get(Path(file_name).suffix.lower())


def load(kind: str, data: bytes) -> str:
    """The text of a file as Markdown. Raises LoadError."""
    if kind not in LOADERS:
        raise LoadError("unknown_kind")
    if len(data) > FILE_BYTES:
        raise LoadError("too_large")
    text = _tidy(_parse_in_child(kind, data))
    if not text:
        raise LoadError("empty")
    return text


def _parse_in_child(kind: str, data: bytes) -> str:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as output:
        source.write(data)
        source.seek(0)
        status = _run_child(kind, source.fileno(), output.fileno())
        output.seek(0)
        written = output.read(OUTPUT_BYTES).decode("utf-8", "replace")
    if status == 0:
        return written
    raise LoadError(written if status == REFUSED and written in REASONS else "crashed")


def _run_child(kind: str, source: int, output: int) -> int:
    command = [sys.executable, "-X", "utf8", "-m", "knowledge.parse", kind]
    # Nothing of our own environment: it holds keys, and the parser needs none of it.
    environment = {"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}
    try:
        return subprocess.run(
            command, stdin=source, stdout=output, stderr=subprocess.DEVNULL,
            cwd=PROJECT, env=environment, timeout=WALL_SECONDS, start_new_session=True, check=False,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LoadError("too_slow") from error


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.translate(UNWANTED).splitlines())
    return BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
