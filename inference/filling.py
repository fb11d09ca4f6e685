"""Texts with {names} in them, which administrators write and values of visitors are put into."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any, TypeVar

from django.utils.translation import get_language
from django.utils.translation import gettext as _

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class WrongTemplate(ValueError):
    """The text cannot be filled; the message says why."""


def in_language(own: T, english: T) -> T:
    """What the company wrote in English, if it did, for who reads English; else what it wrote in its own language."""
    return english if english and (get_language() or "").startswith("en") else own


def names_in(text: str) -> set[str]:
    """Raises WrongTemplate: anything but plain names in braces could reach into the program."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise WrongTemplate(_("A brace is not closed, or not opened.")) from error
    names = [(name, detail, conversion) for _literal, name, detail, conversion in parts if name is not None]
    for name, detail, conversion in names:
        if not NAME.fullmatch(name) or detail or conversion:
            raise WrongTemplate(
                _("“{%(name)s}”: only the name of a column or slot may stand in braces.") % {"name": name}
            )
    return {name for name, _detail, _conversion in names}


def fill(text: str, values: dict[str, str]) -> str:
    """Raises WrongTemplate."""
    missing = names_in(text) - values.keys()
    if missing:
        raise WrongTemplate(_("There is no “%(name)s” to put in.") % {"name": min(missing)})
    return text.format_map(values)


def fill_all(shape: Any, values: dict[str, str]) -> Any:
    """JSON with its texts filled: a value stays inside its text, whatever quotes it holds. Raises WrongTemplate."""
    if isinstance(shape, dict):
        return {name: fill_all(part, values) for name, part in shape.items()}
    if isinstance(shape, list):
        return [fill_all(part, values) for part in shape]
    return fill(shape, values) if isinstance(shape, str) else shape


def names_in_all(shape: Any) -> set[str]:
    """Raises WrongTemplate."""
    if isinstance(shape, dict):
        shape = list(shape.values())
    if isinstance(shape, list):
        return set().union(*map(names_in_all, shape))
    return names_in(shape) if isinstance(shape, str) else set()
