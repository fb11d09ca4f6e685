"""From what a business system replied to the one row that is worded."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

Row = dict[str, Any]


class Failed(Exception):
    """The system gave nothing that can be used; the text says why, to administrators.

    `is_down`: it would not have answered anybody. A visitor who asks for nonsense must not be able to switch it off for others.
    """

    def __init__(self, why: str, *, is_down: bool = False) -> None:
        super().__init__(why)
        self.is_down = is_down


def parsed(text: str | bytes) -> Any:
    """JSON; amounts keep their noughts. Raises Failed."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise Failed(_("The reply is not JSON."), is_down=True) from error


def row_of(reply: Any, columns: dict[str, str]) -> Row | None:
    """The values at the paths of `columns`; without any, the reply's own. None where there is not a single one."""
    if not columns and isinstance(reply, dict):
        columns = {name: name for name in reply}
    row = {column: _value(_at(reply, path)) for column, path in columns.items()}
    return row if any(value is not None for value in row.values()) else None


def _at(reply: Any, path: str) -> Any:
    """`data.orders.0.status`; None where there is nothing."""
    for step in path.split("."):
        if isinstance(reply, list) and step.isdecimal() and int(step) < len(reply):
            reply = reply[int(step)]
        else:
            reply = reply.get(step) if isinstance(reply, dict) else None
    return reply


def _value(found: Any) -> Any:
    """What can be said: texts, numbers and days. A whole object cannot."""
    if isinstance(found, dict | list | bool):
        return None
    return _day(found) if isinstance(found, str) else found


def _day(text: str) -> str | date:
    try:
        return datetime.fromisoformat(text).date() if len(text) >= 10 and text[4] == "-" else text
    except ValueError:
        return text
