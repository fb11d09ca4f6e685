"""What a connector has to know, as a table that people fill in: a slot a line."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import regex
from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from inference.connectors import VISITOR
from inference.filling import NAME
from inference.slots import KINDS, TITLES, compiled

MOST = 6
BLANK = 2  # lines more than there are slots
TEXTS, FLAGS = ("name", "kind", "pattern", "ask", "ask_en"), ("upper", "personal")
Line = dict[str, Any]


class SlotsWidget(forms.Widget):
    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        # Our own template is not where the form renderer looks: in packages only.
        lines = [*(value or []), *[{"kind": "order_number"}] * BLANK][:MOST]
        return render_to_string("admin/widgets/slots.html", {"name": name, "lines": lines, "kinds": TITLES})

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Line]:
        columns = {part: data.getlist(f"{name}-{part}") for part in (*TEXTS, *FLAGS)}
        lines = [*zip_longest(*(columns[part] for part in TEXTS), fillvalue="")][:MOST]
        return [
            {part: text.strip() for part, text in zip(TEXTS, texts, strict=True)}
            | {part: str(line) in columns[part] for part in FLAGS}
            for line, texts in enumerate(lines)
        ]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-name" not in data


class SlotsField(forms.Field):
    """{name: slot}, see inference.models.Connector.slots."""

    widget = SlotsWidget

    def prepare_value(self, value: Any) -> Any:
        return [{"name": name} | slot for name, slot in value.items()] if isinstance(value, dict) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _shaped(self.prepare_value(initial or {})) != _shaped(data or [])

    def clean(self, value: Any) -> dict[str, Line]:
        lines = [line for line in value or [] if line["name"] or line["ask"]]
        for line in lines:
            _check(line)
        slots = _shaped(lines)
        if len(slots) < len(lines):
            raise ValidationError(_("Two of them have the same name."))
        return slots


def _shaped(lines: list[Line]) -> dict[str, Line]:
    """Without what is empty, as it is kept."""
    return {
        line["name"]: {part: line[part] for part in (*TEXTS[1:], *FLAGS) if line.get(part)}
        for line in lines
        if line.get("name")
    }


def _check(line: Line) -> None:
    if not NAME.fullmatch(line["name"]) or line["name"] == VISITOR:
        raise ValidationError(
            _("“%(name)s” cannot be a name: use letters, digits and _, such as order_number.")
            % {"name": line["name"]}
        )
    if line["kind"] not in KINDS or (line["kind"] == "pattern" and not line["pattern"]):
        raise ValidationError(_("“%(name)s” needs a kind, and its pattern.") % {"name": line["name"]})
    if not line["ask"]:
        raise ValidationError(_("“%(name)s” needs a question that asks for it.") % {"name": line["name"]})
    try:
        compiled(line["pattern"])
    except regex.error as error:
        raise ValidationError(
            _("The pattern of “%(name)s” is none: %(why)s") % {"name": line["name"], "why": error}
        ) from error
