"""Questions in, answers out: the two lanes between a conversation and the pipeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from chat import delivery, limits, reading, spending, turns, writer
from chat.delivery import Bell, conversation_topic, ring
from chat.drafts import Draft, Sent, Written
from chat.events import StreamFrame, stream_frame
from chat.models import Agent, Message
from chat.sending import accepted
from inference import dialogue as dialogues
from inference import loop, pipeline
from inference.dialogue import FILES_ALONE, Dialogue
from inference.mind import mind_of
from inference.screening import Action, verdict
from inference.turn import Lane, Turn
from kefu.errors import RateLimited
from tenants import budgets, usage
from tenants.context import database_call
from tenants.models import Tenant

RENEW = 5.0  # seconds between renewals of a claim
CONTRADICTED = 0.5  # seconds in which another page of a visitor says that they are still there
COALESCE = 0.04  # seconds of tokens that travel as one delta


async def receive(
    tenant: Tenant,
    visitor_id: UUID,
    address: str,
    conversation_id: UUID,
    client_id: str,
    text: str,
    locale: str,
    *,
    files: Sequence[UUID] = (),
    thinks: bool = True,
    after: int | None = None,
) -> Sent | Message:
    """A visitor's message, from a socket or over HTTP: answered in this process if no input or output is needed, else by a worker.

    Returns the committed message, the same one for every resend. Raises KefuError. Without `thinks` nothing is prepared: whoever
    asks believes that a person is in charge. Where that is no longer true, the bot thinks afterwards. `after`: the last message that
    the visitor has seen. A dialogue that ends with it is not fetched; should it not be the last, the database refuses the answer.
    """
    try:
        limits.spend_message(tenant, visitor_id, address)
    except RateLimited:
        if known := await database_call(tenant, reading.sent, visitor_id, conversation_id, client_id):
            return known  # what was acknowledged once stays so, however often it is asked
        raise
    dialogue = dialogues.at_hand(tenant.schema_name, str(conversation_id), after)
    if dialogue is None:
        dialogue, after = await _dialogue(tenant, conversation_id) if thinks else Dialogue(), None
    turn = Turn(tenant, text, dialogue, await mind_of(tenant), Lane.QUICK, locale, has_files=bool(files))
    await pipeline.search(turn, pipeline.QUICK if thinks else pipeline.SCREENED)
    draft = draft_of(turn, visitor_id, conversation_id, client_id, thinks, files, after)
    written = await writer.write(tenant, draft)
    message = accepted(written)
    if written.outcome == "new":
        if written.turn and not thinks and turn.answer is None:
            turn.dialogue = await _dialogue(tenant, conversation_id)
            await pipeline.search(turn, pipeline.QUICK)
        said = await _follow_up(turn, draft, written, message)
        if said and turn.answer and not turn.blocked:
            newer = dialogues.after(turn.dialogue, turn.question or FILES_ALONE, said.text, turn.answer.open)
            await dialogues.remember(tenant.schema_name, str(conversation_id), newer, said.seq)
    return message


def draft_of(
    turn: Turn,
    visitor_id: UUID,
    conversation_id: UUID,
    client_id: str,
    thinks: bool = True,
    files: Sequence[UUID] = (),
    after: int | None = None,
) -> Draft:
    answer = turn.answer
    return Draft(
        conversation_id,
        Message.Sender.VISITOR,
        visitor_id,
        client_id,
        turn.question,
        files=files,
        refused=turn.blocked,
        follows=None if turn.blocked else after,
        answer=answer,
        bot_name=turn.tenant.policy.bot_name,
        path=turn.path,
        claims=answer.complaint or bool(answer.hand_over) if answer else not thinks,
    )


async def _follow_up(turn: Turn, draft: Draft, written: Written, message: Sent) -> Sent | Message | None:
    """What the bot said at once, if anything; a case that is opened or a person who is called comes with it."""
    if not draft.claims:
        return written.answer
    if turn.answer:
        return await database_call(
            turn.tenant, turns.answer_at_once, draft.conversation, written.turn, message.seq, turn.answer, turn.path
        )  # fmt: skip
    if written.turn:
        await database_call(turn.tenant, turns.give_back, draft.conversation, written.turn)
    return None


async def send_as_agent(
    tenant: Tenant,
    agent: Agent,
    conversation_id: UUID,
    client_id: str,
    text: str,
    files: Sequence[UUID] = (),
) -> Sent:
    """Raises KefuError: only who has taken the conversation over may speak in it."""
    draft = Draft(
        conversation_id, Message.Sender.AGENT, agent.pk, client_id, text, name=agent.name, files=files
    )
    return accepted(await writer.write(tenant, draft))


async def is_forbidden(tenant: Tenant, text: str) -> bool:
    """Whether `text` holds a word that nobody may send, agents included."""
    mind = await mind_of(tenant)
    return verdict(mind.lexicon.scan(text)) == Action.BLOCK


async def answer(tenant: Tenant, turn_id: UUID) -> None:
    """One turn of the worker lane, start to end. Does nothing when somebody else has it or nobody needs it any more."""
    work = await database_call(tenant, turns.claim, turn_id)
    if work is None:
        return
    left = asyncio.Event()
    answering = asyncio.ensure_future(_answer(tenant, work, left))
    async with _until_ended(tenant, work, answering, left), _renewing(tenant, work, answering):
        # Cancelled when a person took over or the visitor pressed stop: they have told the visitor already.
        with suppress(asyncio.CancelledError), loop.cancelled_on_leaving(answering):
            await answering
    if loop.has_left():
        await database_call(tenant, turns.give_back, work.conversation, work.turn)


async def _answer(tenant: Tenant, work: turns.Work, left: asyncio.Event) -> None:
    dialogue = Dialogue() if work.is_first else await _dialogue(tenant, work.conversation)
    stream = Stream(tenant, work)
    turn = Turn(tenant, work.question, dialogue, await mind_of(tenant), Lane.WORKER, work.locale, stream.add)
    turn.visitor, turn.has_files, turn.waited, turn.left = work.account, work.has_files, work.waited, left
    turn.deadline = time.monotonic() + tenant.policy.turn_deadline
    turn.used_up = await usage.used_up(tenant)
    turn.day_share = await budgets.share_of_day(tenant)
    turn.visitor_share = await spending.share_of_visitor(tenant, work.visitor)
    stream.start()
    try:
        await (pipeline.surrender(turn) if work.gives_up else pipeline.run(turn))
    finally:
        spending.spend(tenant, work.visitor, turn.tokens)  # also of an answer that was stopped
    assert turn.answer is not None
    stream.flush()
    message = await database_call(tenant, turns.finish, work, turn.answer, turn.path)
    if message and not turn.blocked:
        newer = dialogues.after(dialogue, work.question or FILES_ALONE, message.text, turn.answer.open)
        await dialogues.remember(tenant.schema_name, str(work.conversation), newer)


async def _dialogue(tenant: Tenant, conversation_id: UUID) -> Dialogue:
    known = await dialogues.recall(tenant.schema_name, str(conversation_id))
    return (
        known if known is not None else await database_call(tenant, turns.rebuild_dialogue, conversation_id)
    )


class Stream:
    """What is shown while the answer is being made: pieces gathered for 40 ms travel as one delta, numbered from 0."""

    def __init__(self, tenant: Tenant, work: turns.Work) -> None:
        self.topic = conversation_topic(tenant.schema_name, work.conversation)
        self.work = work
        self.pieces: list[str] = []
        self.n = 0
        self.sent_at = 0.0

    def start(self) -> None:
        self._ring("start")

    async def add(self, piece: str) -> None:
        self.pieces.append(piece)
        if time.monotonic() - self.sent_at >= COALESCE:
            self.flush()

    def flush(self) -> None:
        if self.pieces:
            text, self.pieces = "".join(self.pieces), []
            self._ring("delta", n=self.n, text=text)
            self.n, self.sent_at = self.n + 1, time.monotonic()

    def _ring(self, kind: StreamFrame, **more: object) -> None:
        ring([self.topic], stream_frame(kind, self.work.conversation, self.work.turn, **more))


class _Ending:
    """Hears that somebody else ended a turn's stream, and cancels what makes its answer; or that the visitor has closed their page."""

    def __init__(self, turn: UUID, answering: asyncio.Future[None], left: asyncio.Event) -> None:
        self.turn, self.answering, self.left = str(turn), answering, left
        self.leaving: asyncio.TimerHandle | None = None

    def hear(self, bell: Bell) -> None:
        if bell.kind == "presence":
            if self.leaving:
                self.leaving.cancel()
            # Another page of theirs contradicts at once.
            is_gone = '"online":false' in bell.text
            later = asyncio.get_running_loop().call_later
            self.leaving = later(CONTRADICTED, self.left.set) if is_gone else None
        if bell.kind == "answer.end" and bell.stream == self.turn and bell.reason != "done":
            self.answering.cancel()

    def missed(self, topics: list[str] | None) -> None:
        """Not worth a query: the claim is renewed every five seconds, and then it comes out."""


@asynccontextmanager
async def _until_ended(
    tenant: Tenant, work: turns.Work, answering: asyncio.Future[None], left: asyncio.Event
) -> AsyncIterator[None]:
    topic = conversation_topic(tenant.schema_name, work.conversation)
    ending = _Ending(work.turn, answering, left)
    try:
        await delivery.listen(topic, ending)
        yield
    finally:
        await delivery.ignore(topic, ending)


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
