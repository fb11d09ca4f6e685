"""What changed on a tenant's ladder: rungs and breakers, the newest first, for the admin to show."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import msgpack

from inference import shared
from inference.places import changes_of
from tenants.models import Tenant

logger = logging.getLogger(__name__)

SHOWN = 20
KEPT = 30 * 86_400  # seconds


@dataclass(frozen=True)
class Change:
    at: float  # seconds on the wall clock
    kind: str  # "rung" or "breaker"
    name: str  # of the provider whose breaker it is
    before: str
    after: str
    why: str


async def note(tenant: Tenant, kind: str, name: str, before: str, after: str, why: str = "") -> None:
    logger.warning("%s: %s %s is %s, was %s %s", tenant.schema_name, kind, name, after, before, why)
    line = msgpack.packb((time.time(), kind, name, str(before), str(after), why))
    await shared.note(changes_of(tenant), line, SHOWN, KEPT)


def unpacked(line: bytes) -> Change:
    return Change(*msgpack.unpackb(line))
