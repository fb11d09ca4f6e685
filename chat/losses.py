"""Messages that never reached Redis are remembered by their group, and who listens elsewhere is told once it is back."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import Lock
from typing import Any

logger = logging.getLogger(__name__)

MOST_NAMES = 10_000  # beyond that, everybody is told


def lost(groups: list[str] | None) -> dict[str, Any]:
    """The message that says: messages of these groups (None: of any) may not have reached you."""
    return {"type": "bell.lost", "groups": groups}


class Names:
    """The names of Redis channels: of a group, of where a channel is read, of everybody."""

    def __init__(self, prefix: str) -> None:
        self.group_prefix = f"{prefix}:group:".encode()
        self.place_prefix = f"{prefix}:place:".encode()
        self.everybody = f"{prefix}:everybody".encode()

    def group(self, group: str) -> bytes:
        return self.group_prefix + group.encode()

    def place(self, channel: str) -> bytes:
        """Channels that are read on the same loop share the part of their name before the "!"."""
        return self.place_prefix + channel.partition("!")[0].encode()

    def groups_in(self, name: bytes) -> list[str] | None:
        return None if name == self.everybody else [name[len(self.group_prefix) :].decode()]


class Losses:
    """Of one process, whichever of its loops and threads they happened on: the next write to Redis takes them along."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._lost: set[bytes] = set()
        self._lock = Lock()
        self._is_outage = False

    def add(self, names: Iterable[bytes]) -> None:
        with self._lock:
            self._lost.update(name for name in names if not name.startswith(self._names.place_prefix))
            if len(self._lost) > MOST_NAMES:
                self._lost = {self._names.everybody}

    def take(self) -> set[bytes]:
        with self._lock:
            taken, self._lost = self._lost, set()
        return taken

    def log_outage(self, reason: object) -> None:
        """Once for each outage."""
        if not self._is_outage:
            self._is_outage = True
            logger.warning("Redis is away, and other processes hear nothing of us: %s", reason)

    def log_recovery(self) -> None:
        if self._is_outage:
            self._is_outage = False
            logger.warning("Redis is back")
