"""A tenant's HTTP, on whichever web process answers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chat.client import Frame, Place
from tests.faults.evidence import CANARIES
from tests.faults.history import Log


@dataclass
class Pages:
    tenant: str
    reader: str  # the bot's name
    places: list[Place]
    log: Log
    random: Random
    headers: dict[str, str] = field(default_factory=dict)  # credentials

    async def ask(self, method: str, path: str, body: Frame | None = None) -> Any:
        """One process after the other, until one of them has an answer that is final."""
        while True:
            place = self.random.choice(self.places)
            with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
                status, answer = await asyncio.to_thread(place.request, method, path, body, **self.headers)
                self.watch_for_strangers(json.dumps(answer))
                if status < 429 and isinstance(answer, dict):
                    return answer
            await asyncio.sleep(self.random.uniform(0.1, 1.0))

    async def history(self, conversation: str, after: int = 0) -> list[Frame]:
        """All that comes after, page by page."""
        found: list[Frame] = []
        while True:
            page = await self.ask("GET", f"{messages_of(conversation)}?after={after}&limit=200")
            found += page["messages"]
            if not page["more"]:
                return found
            after = found[-1]["seq"]

    def watch_for_strangers(self, text: str) -> None:
        """Whatever is received: another tenant's canary in it is logged."""
        if any(canary in text for tenant, canary in CANARIES.items() if tenant != self.tenant):
            self.log.add("foreign", who=self.reader, frame=text)


def messages_of(conversation: str) -> str:
    return f"/api/v1/conversations/{conversation}/messages"
