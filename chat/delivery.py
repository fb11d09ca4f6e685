"""The bell: tells every process that something was committed. Never storage; who misses a ring resyncs from the database."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection, transaction
from redis import RedisError

from chat.events import Frame

logger = logging.getLogger(__name__)


def conversation_group(schema: str, conversation: Any) -> str:
    """Both sides of one conversation."""
    return f"{schema}.conversation.{conversation}"


def inside_group(schema: str, conversation: Any) -> str:
    """Agents who look at one conversation: what visitors never see."""
    return f"{schema}.inside.{conversation}"


def agents_group(schema: str) -> str:
    """Every agent of the tenant: how conversations stand."""
    return f"{schema}.agents"


def announce(group: str, frame: Frame) -> None:
    """Rings once the transaction has committed; for verbs, inside the tenant's schema."""
    transaction.on_commit(partial(async_to_sync(ring), group, frame))


def announce_in(group_of: Any, target: Any, frame: Frame) -> None:
    """`announce` to a group of the schema that this thread is in."""
    announce(group_of(connection.schema_name, target), frame)  # type: ignore[attr-defined]


async def ring(group: str, frame: Frame, sender: str = "") -> None:
    """Passes `frame` to every socket in the group but the one named `sender`.

    Shielded: redis-py now and then loses a cancellation that comes while it waits, and an answer that was stopped went on.
    """
    await asyncio.shield(_ring(group, frame, sender))


async def _ring(group: str, frame: Frame, sender: str) -> None:
    try:
        await get_channel_layer().group_send(group, {"type": "deliver", "frame": frame, "from": sender})
    except (RedisError, OSError):
        # Committed already: clients find it in the database when they next ask.
        logger.warning("Redis did not take a %s for %s", frame["type"], group)
