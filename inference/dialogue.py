"""What was said so far, compact, in Redis: the last twenty turns and what the bot asked and waits for.

Redis may forget at any moment; whoever asks then rebuilds it from the database. What this process has put there itself, it has at hand
as long as nothing more was said: a dialogue belongs to its last message.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import cast

import msgpack
from redis import RedisError

from tenants.gather import Gathered
from tenants.redis import redis, sync_redis

logger = logging.getLogger(__name__)

TURNS = 20
KEPT = 3600  # seconds without a word after which Redis may drop it
LONGEST = 2000  # characters kept of one answer
AT_HAND, LARGEST = 2000, 30_000  # dialogues that a process keeps itself, and the bytes of one
FILES_ALONE = "📎"  # stands for a question that was files and no word


@dataclass(frozen=True)
class Dialogue:
    turns: tuple[tuple[str, str], ...] = ()  # (question, answer), oldest first
    open: dict[str, str] = field(default_factory=dict)  # see inference.turn.Answer.open

    @property
    def last_question(self) -> str:
        return self.turns[-1][0] if self.turns else ""

    @property
    def last_answer(self) -> str:
        return self.turns[-1][1] if self.turns else ""


def after(dialogue: Dialogue, question: str, answer: str, open: dict[str, str]) -> Dialogue:
    """The dialogue with one more turn; the oldest beyond twenty falls out."""
    return replace(dialogue, turns=(*dialogue.turns, (question, answer[:LONGEST]))[-TURNS:], open=open)


async def recall(schema: str, conversation: str) -> Dialogue | None:
    """None when Redis knows nothing, or cannot be asked."""
    packed = await _recall(_key(schema, conversation))
    if packed is None:
        return None
    turns, open_ = msgpack.unpackb(packed)
    return Dialogue(tuple((question, answer) for question, answer in turns), open_)


def at_hand(schema: str, conversation: str, seq: int | None) -> Dialogue | None:
    """The dialogue that ends with message `seq`, if this process has it. For coroutines of one loop."""
    if seq == 0:
        return Dialogue()
    known, dialogue = _at_hand.get(_key(schema, conversation), (None, None))
    return dialogue if known == seq else None


async def remember(schema: str, conversation: str, dialogue: Dialogue, seq: int | None = None) -> None:
    """`seq`: the message it ends with, where this process is likely to ask again."""
    key, packed = _key(schema, conversation), msgpack.packb((dialogue.turns, dialogue.open))
    if seq and len(packed) <= LARGEST:
        _at_hand[key] = seq, dialogue
        _at_hand.move_to_end(key)
        if len(_at_hand) > AT_HAND:
            _at_hand.popitem(last=False)
    await _remember((key, packed))


async def _get(keys: list[str]) -> list[bytes | None]:
    try:
        return cast(list[bytes | None], await redis().mget(keys))
    except RedisError:
        logger.warning("Redis did not recall %d dialogues", len(keys))
        return [None] * len(keys)


async def _set(dialogues: list[tuple[str, bytes]]) -> list[None]:
    try:
        async with redis().pipeline(transaction=False) as commands:
            for key, packed in dialogues:
                commands.execute_command("SET", key, packed, "EX", KEPT)
            await commands.execute()
    except RedisError:
        logger.warning("Redis did not remember %d dialogues", len(dialogues))
    return [None] * len(dialogues)


_at_hand: OrderedDict[str, tuple[int, Dialogue]] = OrderedDict()  # by key, with the seq of the last message
_recall: Gathered[str, bytes | None] = Gathered(_get)
_remember: Gathered[tuple[str, bytes], None] = Gathered(_set)


def forget(schema: str, conversation: str) -> None:
    """For verbs: what a person said or took over must be read from the database."""
    try:
        sync_redis().delete(_key(schema, conversation))
    except RedisError:
        logger.warning("Redis did not forget a dialogue")


def _key(schema: str, conversation: str) -> str:
    # The braces keep one conversation's keys in one slot of a Redis Cluster.
    return f"kefu:{{{schema}:{conversation}}}:dialogue"
