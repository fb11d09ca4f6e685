"""How something long tells whoever watches how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # what is being done; how much of how much is


def unwatched(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""
