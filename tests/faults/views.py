"""What a bot has seen, and what it waits for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.chat.client import Frame


@dataclass
class View:
    """One conversation as a bot sees it."""

    frames: list[Frame] = field(default_factory=list)  # as they came
    seqs: set[int] = field(default_factory=set)
    complete: int = 0  # everything up to here was shown

    def take(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.seqs.add(frame["seq"])
        while self.complete + 1 in self.seqs:
            self.complete += 1

    @property
    def has_hole(self) -> bool:
        return len(self.seqs) > self.complete


@dataclass
class Asked:
    """A frame that waits for its `ack` or `error`."""

    frame: Frame
    answer: asyncio.Future[Frame]
    tries: int = 0
    sent_at: float = 0.0
    doubtful: bool = False  # an earlier try was not answered, or not for good: it may still succeed
