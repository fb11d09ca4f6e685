"""Form fields for what a policy keeps as JSON, typed as people would write it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from tenants.hours import DAYS

SPAN = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–—~至]\s*([01]?\d|2[0-3]|24):([0-5]\d)")
# Stands in a Content-Security-Policy header: nothing but a scheme, a host and a port.
ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?")


class RowForm(forms.ModelForm):  # type: ignore[type-arg]
    """Labels begin with a capital, as those that Django makes from models do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = capfirst(field.label)


class LinesField(forms.CharField):
    """A list of strings, one a line."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, longest: int = 200, most: int = 20, **kwargs: Any) -> None:
        self.longest, self.most = longest, most
        super().__init__(required=False, **kwargs)
        self.widget.attrs["rows"] = 4

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return lines_of(self.prepare_value(initial) or "") != lines_of(data or "")

    def clean(self, value: Any) -> list[str]:
        lines = lines_of(value or "")
        if len(lines) > self.most:
            raise ValidationError(_("At most %(most)d lines.") % {"most": self.most})
        if any(len(line) > self.longest for line in lines):
            raise ValidationError(_("A line has at most %(longest)d characters.") % {"longest": self.longest})
        return lines


class OriginsField(LinesField):
    def clean(self, value: Any) -> list[str]:
        origins = [line.rstrip("/").lower() for line in super().clean(value)]
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValidationError(
                    _("“%(origin)s” is not an address such as https://shop.example, without a path.")
                    % {"origin": origin}
                )
        return origins


class PairsField(forms.CharField):
    """{name: text}, as lines of `name: text`; a line break inside a text is typed as \\n."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name}: {_one_line(text)}" for name, text in value.items())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return lines_of(self.prepare_value(initial) or "") != lines_of(data or "")

    def clean(self, value: Any) -> dict[str, str]:
        pairs = [re.split(r"\s*[:：]\s*", line, maxsplit=1) for line in lines_of(value or "")]
        if any(len(pair) < 2 or not all(pair) for pair in pairs):
            raise ValidationError(_("Each line is a name, a colon and a text."))
        return {name: text.replace("\\n", "\n") for name, text in pairs}


def _one_line(text: object) -> str:
    return str(text).replace("\n", "\\n")


class HoursWidget(forms.MultiWidget):
    def __init__(self) -> None:
        super().__init__(
            {
                day: UnfoldAdminTextInputWidget(attrs={"placeholder": _("closed"), "aria-label": name})
                for day, name in DAYS.items()
            }
        )

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        # Our own template is not where the form renderer looks: in packages only. The inputs inside come from there.
        inputs = self.get_context(name, value, attrs)["widget"]["subwidgets"]
        drawn = [
            one.render(sub["name"], sub["value"], sub["attrs"], renderer)
            for one, sub in zip(self.widgets, inputs, strict=True)
        ]
        return render_to_string(
            "admin/widgets/hours.html", {"days": list(zip(DAYS.values(), drawn, strict=True))}
        )

    def decompress(self, value: Any) -> list[str]:
        return [", ".join((value or {}).get(day, [])) for day in DAYS]


class HoursField(forms.MultiValueField):
    """{"mon": ["09:00-18:00"], ...}; a day without times is closed, a week without any says nothing."""

    widget = HoursWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            fields=[forms.CharField(required=False, max_length=100) for _day in DAYS],
            required=False,
            require_all_fields=False,
            **kwargs,
        )

    def compress(self, data_list: Sequence[str]) -> dict[str, list[str]]:
        week = {day: spans_of(text) for day, text in zip(DAYS, data_list, strict=False)}
        return {day: spans for day, spans in week.items() if spans}


def lines_of(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def spans_of(text: str) -> list[str]:
    """["09:00-12:00", "13:00-18:00"] from what a person typed, in order. Raises ValidationError."""
    pieces = [piece.strip() for piece in re.split(r"[,，;；、]", text.replace("：", ":")) if piece.strip()]
    spans = sorted(_span(piece) for piece in pieces)
    if any(start >= end for start, end in spans) or any(
        this[1] > following[0] for this, following in pairwise(spans)
    ):
        raise ValidationError(
            _("“%(text)s”: each span must end after it starts, and before the next.") % {"text": text}
        )
    return [f"{start}-{end}" for start, end in spans]


def _span(piece: str) -> tuple[str, str]:
    match = SPAN.fullmatch(piece)
    if match is None or (match[3] == "24" and match[4] != "00"):
        raise ValidationError(_("“%(text)s” is not a span such as 09:00-18:00.") % {"text": piece})
    return f"{int(match[1]):02}:{match[2]}", f"{int(match[3]):02}:{match[4]}"
