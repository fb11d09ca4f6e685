"""What a model has answered before: the same question of a new visitor gets the same answer, at once and without tokens.

Only of the company, never of a person: a question that stands alone, without personal data or numbers of somebody's own, answered with
nothing said before it and nothing looked up. The same is the same in its words, but for punctuation, politeness, case and width. Questions
that merely mean much the same are asked anew: `make bench ARGS=as-before` shows what trusting their vectors would cost.

Whatever a tenant changes moves its revision, and with it all keys.
"""

from __future__ import annotations

import logging
import re
from hashlib import sha256
from typing import cast

import msgpack
from redis import RedisError

from inference import tools
from inference.following import in_full
from inference.personal import mask_personal
from inference.turn import Answer, Rung, Source, Turn
from kefu import metrics
from knowledge.entries import bare
from tenants.redis import redis

logger = logging.getLogger(__name__)

SOMEBODYS_OWN = re.compile(r"\d{4}")  # of an order, an account, a date


async def answer_as_before(turn: Turn) -> None:
    if not _is_of_the_company(turn):
        return
    try:
        kept = cast(bytes | None, await redis().get(_key(turn)))
    except RedisError:
        logger.warning("Redis did not recall an answer")
        return
    if kept:
        text, sources = msgpack.unpackb(kept)
        turn.answer = Answer(text, "generated", sources=tuple(Source(*source) for source in sources))
        turn.note(as_before=True)
    metrics.AS_BEFORE.labels("yes" if kept else "no").inc()


async def keep_answer(turn: Turn) -> None:
    """Of what a model said to a question with nothing before it, unless something was amiss with it."""
    answer = turn.answer
    is_new = answer and answer.mode == "generated" and not any(row.get("as_before") for row in turn.path)
    if answer is None or not is_new or answer.open or turn.dialogue.turns or not _is_of_the_company(turn):
        return
    if turn.calls or mask_personal(answer.text) != answer.text:
        return
    sources = [(source.title, source.url, source.quote) for source in answer.sources]
    try:
        seconds = turn.tenant.policy.answers_kept * 3600
        await redis().set(_key(turn), msgpack.packb((answer.text, sources)), ex=seconds)
    except RedisError:
        logger.warning("Redis did not keep an answer")


def _is_of_the_company(turn: Turn) -> bool:
    question = turn.question
    return bool(
        turn.tenant.policy.answers_kept
        and turn.rung in (Rung.FULL, Rung.LIGHT)
        and bare(question)
        and not turn.has_files
        and not turn.record
        and not turn.dialogue.open
        and not in_full(question, turn.dialogue)
        and not SOMEBODYS_OWN.search(question)
        and not tools.may_find_ones_own(turn)
        and mask_personal(question) == question
    )


def _key(turn: Turn) -> str:
    tenant = turn.tenant
    return f"kefu:{{{tenant.schema_name}}}:answer:{tenant.revision}:{turn.language}:{turn.rung}:{digest(turn.question)}"


def digest(question: str) -> str:
    """With which the key of a kept answer ends."""
    return sha256(bare(question).encode()).hexdigest()[:32]
