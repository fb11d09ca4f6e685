"""Which epoch of a conversation a client means: its verb may come late, out of a process that was frozen.

A verb is done only while the conversation is still in that epoch. What the client cannot know yet is what its own last verbs have just
changed: who takes a conversation over and at once hands it back means the one that they have.
"""

from __future__ import annotations

from uuid import UUID

NONE = (0, -1)


class Fence:
    """Of one socket: from which epoch to which its own verbs, and nobody else's, have moved each conversation."""

    def __init__(self) -> None:
        self._own: dict[UUID, tuple[int, int]] = {}

    def meant(self, conversation: UUID, known: int | None) -> int | None:
        """The epoch in which a client that knows of `known` believes the conversation to be."""
        first, last = self._own.get(conversation, NONE)
        return last if known is not None and first <= known <= last else known

    def moved(self, conversation: UUID, meant: int | None, now: int) -> None:
        """A verb that was meant for `meant` has brought the conversation to `now`."""
        if meant is None:
            return
        first, last = self._own.get(conversation, NONE)
        self._own[conversation] = (first if meant == last else meant, now)
