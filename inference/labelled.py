"""Files of questions with their intents: CSV `text,category`, JSON lines `{"text","intent"}`, and CLINC150's JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from inference.intent import OUT_OF_SCOPE

Example = tuple[str, str]  # text, intent

TEXT_COLUMNS = ("text", "utterance")
LABEL_COLUMNS = ("intent", "category", "label")
NO_INTENT = ("oos", OUT_OF_SCOPE)  # what files call a question that is none of the intents


class LabelledFileError(ValueError):
    """`str()` is a sentence for whoever wrote the file; it names the line where one is at fault."""


def read(path: Path, part: str = "train") -> list[Example]:
    """The examples in `path`, questions of no intent under OUT_OF_SCOPE; `part` of a file that has several.

    Raises LabelledFileError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _fault(path, line, _("this is not UTF-8.")) from error
    except OSError as error:
        raise LabelledFileError(
            _("%(file)s cannot be read: %(why)s") % {"file": path, "why": error.strerror}
        ) from error
    examples = [
        (_word(path, line, text, _("no text.")), _label(_word(path, line, label, _("no intent."))))
        for line, text, label in _reader(path, text)(path, text, part)
    ]
    if not examples:
        raise LabelledFileError(_("%(file)s has no examples.") % {"file": path})
    return examples


Reader = Callable[[Path, str, str], Iterator[tuple[int, Any, Any]]]  # line, text, label


def _reader(path: Path, text: str) -> Reader:
    if not text.lstrip().startswith("{"):
        return _csv
    return _lines if path.suffix in (".jsonl", ".ndjson") else _clinc if _is_whole(text) else _lines


def _is_whole(text: str) -> bool:
    """Whether it is one JSON object of several parts, not one on each line."""
    try:
        return any(isinstance(part, list) for part in json.loads(text).values())
    except ValueError:
        return False


def _csv(path: Path, text: str, part: str) -> Iterator[tuple[int, Any, Any]]:
    rows = csv.DictReader(StringIO(text, newline=""), strict=True)
    names = rows.fieldnames or ()
    text_column = next((name for name in TEXT_COLUMNS if name in names), "")
    label_column = next((name for name in LABEL_COLUMNS if name in names), "")
    if not text_column or not label_column:
        raise _fault(path, 1, _("the first line must name the columns, such as text,category."))
    line = 1
    try:
        for row in rows:
            line = rows.line_num
            yield line, row[text_column], row[label_column]
    except csv.Error as error:
        raise _fault(
            path, line + 1, _("a quotation mark is missing, or is where it should not be.")
        ) from error


def _lines(path: Path, text: str, part: str) -> Iterator[tuple[int, Any, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _fault(path, number, _("this is not JSON.")) from error
        if not isinstance(row, dict):
            raise _fault(path, number, _('each line must be like {"text": "…", "intent": "…"}.'))
        yield number, row.get("text"), row.get("intent")


def _clinc(path: Path, text: str, part: str) -> Iterator[tuple[int, Any, Any]]:
    """Pairs of text and intent under "train" and "test"; those of no intent under "oos_train" and "oos_test"."""
    parts = json.loads(text)
    if not isinstance(parts.get(part), list):
        raise LabelledFileError(_("%(file)s has no part “%(part)s”.") % {"file": path, "part": part})
    for name in (part, f"oos_{part}"):
        for number, row in enumerate(parts.get(name, ()), start=1):
            if not (isinstance(row, list) and len(row) == 2):
                why = _("item %(number)d of “%(part)s” is not a pair of text and intent.")
                raise LabelledFileError(f"{path}: " + why % {"number": number, "part": name})
            yield number, row[0], row[1]


def _word(path: Path, line: int, value: Any, fault: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _fault(path, line, fault)
    return value.strip()


def _label(label: str) -> str:
    return OUT_OF_SCOPE if label in NO_INTENT else label


def _fault(path: Path, line: int, why: str) -> LabelledFileError:
    return LabelledFileError(_("%(file)s, line %(line)d: %(why)s") % {"file": path, "line": line, "why": why})
