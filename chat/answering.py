"""Questions in, answers out: the two lanes between a conversation and the pipeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from channels.layers import get_channel_layer

from chat import actions, limits, turns
from chat.delivery import conversation_group, ring
from chat.events import StreamFrame, stream_frame
from chat.models import Message
from inference import dialogue as dialogues
from inference import pipeline
from inference.dialogue import Dialogue
from inference.mind import mind_of
from inference.screening import Action, verdict
from inference.turn import Lane, Turn
from tenants.context import database_call
from tenants.models import Tenant

RENEW = 5.0  # seconds between renewals of a claim
COALESCE = 0.04  # seconds of tokens that travel as one delta


async def receive(
    tenant: Tenant, visitor_id: UUID, conversation_id: UUID, client_id: str, text: str, locale: str
) -> Message:
    """A visitor's message, from a socket or over HTTP: answered in this process if no input or output is needed, else by a worker.

    Returns the committed message, the same one for every resend. Raises KefuError.
    """
    await limits.spend(tenant, "messages", str(visitor_id), tenant.policy.messages_per_minute, 60)
    dialogue = await _dialogue(tenant, conversation_id)
    turn = Turn(tenant, text, dialogue, await mind_of(tenant), Lane.QUICK, locale)
    await pipeline.run(turn)
    message = await database_call(
        tenant, actions.send_as_visitor, visitor_id, conversation_id, client_id, turn.question, turn
    )
    if turn.answer and not turn.blocked:
        await _remember(tenant, conversation_id, dialogue, turn.question, turn.answer.text, turn.answer.open)
    return message


async def is_forbidden(tenant: Tenant, text: str) -> bool:
    """Whether `text` holds a word that nobody may send, agents included."""
    mind = await mind_of(tenant)
    return verdict(mind.lexicon.scan(text)) == Action.BLOCK


async def answer(tenant: Tenant, turn_id: UUID) -> None:
    """One turn of the worker lane, start to end. Does nothing when somebody else has it or nobody needs it any more."""
    work = await database_call(tenant, turns.claim, turn_id)
    if work is None:
        return
    answering = asyncio.ensure_future(_answer(tenant, work))
    async with _until_ended(tenant, work, answering), _renewing(tenant, work, answering):
        # Cancelled when a person took over or the visitor pressed stop: they have told the visitor already.
        with suppress(asyncio.CancelledError):
            await answering


async def _answer(tenant: Tenant, work: turns.Work) -> None:
    dialogue = await _dialogue(tenant, work.conversation)
    stream = Stream(tenant, work)
    turn = Turn(tenant, work.question, dialogue, await mind_of(tenant), Lane.WORKER, work.locale, stream.add)
    turn.deadline = time.monotonic() + tenant.policy.turn_deadline
    await stream.start()
    await (pipeline.surrender(turn) if work.gives_up else pipeline.run(turn))
    assert turn.answer is not None
    await stream.flush()
    message = await database_call(tenant, turns.finish, work, turn.answer, turn.path)
    if message and not turn.blocked:
        await _remember(tenant, work.conversation, dialogue, work.question, message.text, turn.answer.open)


async def _dialogue(tenant: Tenant, conversation_id: UUID) -> Dialogue:
    known = await dialogues.recall(tenant.schema_name, str(conversation_id))
    return (
        known if known is not None else await database_call(tenant, turns.rebuild_dialogue, conversation_id)
    )


async def _remember(
    tenant: Tenant, conversation_id: UUID, dialogue: Dialogue, question: str, said: str, open_: dict[str, str]
) -> None:
    newer = dialogues.after(dialogue, question, said, open_)
    await dialogues.remember(tenant.schema_name, str(conversation_id), newer)


class Stream:
    """What is shown while the answer is being made: pieces gathered for 40 ms travel as one delta, numbered from 0."""

    def __init__(self, tenant: Tenant, work: turns.Work) -> None:
        self.group = conversation_group(tenant.schema_name, work.conversation)
        self.work = work
        self.pieces: list[str] = []
        self.n = 0
        self.sent_at = 0.0

    async def start(self) -> None:
        await self._ring("start")

    async def add(self, piece: str) -> None:
        self.pieces.append(piece)
        if time.monotonic() - self.sent_at >= COALESCE:
            await self.flush()

    async def flush(self) -> None:
        if self.pieces:
            text, self.pieces = "".join(self.pieces), []
            await self._ring("delta", n=self.n, text=text)
            self.n, self.sent_at = self.n + 1, time.monotonic()

    async def _ring(self, kind: StreamFrame, **more: object) -> None:
        await ring(self.group, stream_frame(kind, self.work.conversation, self.work.turn, **more))


@asynccontextmanager
async def _until_ended(
    tenant: Tenant, work: turns.Work, answering: asyncio.Future[None]
) -> AsyncIterator[None]:
    """Cancels `answering` as soon as the bell says that its stream was ended by somebody else."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    group = conversation_group(tenant.schema_name, work.conversation)
    await layer.group_add(group, channel)

    async def listen() -> None:
        while True:
            frame = (await layer.receive(channel))["frame"]
            if (
                frame["type"] == "answer.end"
                and frame["stream"] == str(work.turn)
                and frame["reason"] != "done"
            ):
                answering.cancel()

    try:
        async with _beside(listen()):
            yield
    finally:
        await layer.group_discard(group, channel)


@asynccontextmanager
async def _renewing(tenant: Tenant, work: turns.Work, answering: asyncio.Future[None]) -> AsyncIterator[None]:
    """Keeps the claim while the answer is being made; a turn that was ended while the bell was silent is cancelled here."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW)
            if not await database_call(tenant, turns.renew, work.turn) and not answering.done():
                answering.cancel()

    async with _beside(renew()):
        yield


@asynccontextmanager
async def _beside(work: object) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
