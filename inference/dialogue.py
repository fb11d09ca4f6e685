"""What was said so far, compact, in Redis: the last twenty turns, what stays of those before, and what the bot asked and waits for.

Redis may forget at any moment; whoever asks then rebuilds it from the database. What this process has put there itself, it has at hand
as long as nothing more was said: a dialogue belongs to its last message.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

from redis import RedisError

from inference.earlier import with_question
from inference.packing import pack, unpack
from tenants.gather import Gathered
from tenants.redis import redis, sync_redis

logger = logging.getLogger(__name__)

TURNS = 20
KEPT = 3600  # seconds without a word after which Redis may drop it
LONGEST = 2000  # characters kept of the last answer: it is compared with what is about to be said
SHORTENED = 300  # ... and of those before, which the model reads
AT_HAND, LARGEST = 2000, 15_000  # dialogues that a process keeps itself, and the characters of one
FILES_ALONE = "📎"  # stands for a question that was files and no word


@dataclass(frozen=True)
class Dialogue:
    turns: tuple[tuple[str, str], ...] = ()  # (question, answer), oldest first
    open: dict[str, str] = field(default_factory=dict)  # see inference.turn.Answer.open
    earlier: tuple[str, ...] = ()  # what stays of the turns that fell out, oldest first

    @property
    def last_question(self) -> str:
        return self.turns[-1][0] if self.turns else ""

    @property
    def last_answer(self) -> str:
        return self.turns[-1][1] if self.turns else ""


def after(dialogue: Dialogue, question: str, answer: str, open: dict[str, str]) -> Dialogue:
    """The dialogue with one more turn; of the oldest beyond twenty only what it names stays."""
    turns, earlier = dialogue.turns, dialogue.earlier
    if len(turns) == TURNS:
        earlier, turns = with_question(earlier, turns[0][0]), turns[1:]
    before = [*turns[:-1], *((asked, said[:SHORTENED]) for asked, said in turns[-1:])]
    return Dialogue((*before, (question, answer[:LONGEST])), open, earlier)


def continued(dialogue: Dialogue, text: str) -> Dialogue:
    """The dialogue where the last answer goes on, said by a person: what the bot asked is not open any more."""
    if not dialogue.turns:
        return dialogue
    *before, (question, answer) = dialogue.turns
    return Dialogue((*before, (question, f"{answer}\n{text}"[:LONGEST])), {}, dialogue.earlier)


async def recall(schema: str, conversation: str) -> Dialogue | None:
    """None when Redis knows nothing that can be read, or cannot be asked."""
    packed = await _recall(_key(schema, conversation))
    try:
        return _read(packed) if packed is not None else None
    except ValueError:  # of an earlier version, for instance
        logger.warning("What Redis has of a dialogue cannot be read")
        return None


def at_hand(schema: str, conversation: str, seq: int | None) -> Dialogue | None:
    """The dialogue that ends with message `seq`, if this process has it. For coroutines of one loop."""
    if seq == 0:
        return Dialogue()
    known, dialogue = _at_hand.get(_key(schema, conversation), (None, None))
    return dialogue if known == seq else None


async def remember(schema: str, conversation: str, dialogue: Dialogue, seq: int | None = None) -> None:
    """`seq`: the message it ends with, where this process is likely to ask again."""
    key, texts = _key(schema, conversation), _texts(dialogue)
    if seq and sum(map(len, texts)) <= LARGEST:
        _at_hand[key] = seq, dialogue
        _at_hand.move_to_end(key)
        if len(_at_hand) > AT_HAND:
            _at_hand.popitem(last=False)
    await _remember((key, texts))


def _texts(dialogue: Dialogue) -> list[str]:
    rest = json.dumps([dialogue.open, dialogue.earlier], ensure_ascii=False, separators=(",", ":"))
    return [rest, *chain.from_iterable(dialogue.turns)]


def _read(packed: bytes) -> Dialogue:
    """Raises ValueError."""
    rest, *texts = unpack(packed)
    open, earlier = json.loads(rest)
    return Dialogue(tuple(zip(texts[::2], texts[1::2], strict=True)), open, tuple(earlier))


async def _get(keys: list[str]) -> list[bytes | None]:
    try:
        async with redis().pipeline(transaction=False) as commands:  # not MGET: they are in many slots
            for key in keys:
                commands.get(key)
            return cast(list[bytes | None], await commands.execute())
    except RedisError:
        logger.warning("Redis did not recall %d dialogues", len(keys))
        return [None] * len(keys)


async def _set(dialogues: list[tuple[str, list[str]]]) -> list[None]:
    try:
        async with redis().pipeline(transaction=False) as commands:
            for key, texts in dialogues:
                commands.execute_command("SET", key, pack(texts), "EX", KEPT)
            await commands.execute()
    except RedisError:
        logger.warning("Redis did not remember %d dialogues", len(dialogues))
    return [None] * len(dialogues)


_at_hand: OrderedDict[str, tuple[int, Dialogue]] = OrderedDict()  # by key, with the seq of the last message
_recall: Gathered[str, bytes | None] = Gathered(_get)
_remember: Gathered[tuple[str, list[str]], None] = Gathered(_set)


def forget(schema: str, conversation: str) -> None:
    """For verbs: what a person said or took over must be read from the database."""
    try:
        sync_redis().delete(_key(schema, conversation))
    except RedisError:
        logger.warning("Redis did not forget a dialogue")


def _key(schema: str, conversation: str) -> str:
    # The braces keep one conversation's keys in one slot of a Redis Cluster.
    return f"kefu:{{{schema}:{conversation}}}:dialogue"
