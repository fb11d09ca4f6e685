"""The writer's two statements inside a test's own transaction, which the writer's connection could not see."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from django.db import connection

from chat import drafts, turns
from chat.answering import draft_of
from chat.drafts import Draft, Sent, Written
from chat.models import Agent, Message
from chat.sending import accepted
from inference.dialogue import Dialogue
from inference.mind import Mind
from inference.turn import Answer, Lane, Turn
from tests.conftest import Chat


def quick(chat: Chat, text: str, answer: Answer | None = None) -> Turn:
    return Turn(chat.tenant, text, Dialogue(), Mind(), Lane.QUICK, "en", answer=answer)


def execute(those: list[Draft], **kind: bool) -> list[tuple[Any, ...]]:
    schema = connection.schema_name
    with psycopg.RawCursor(connection.connection) as cursor:
        cursor.execute(drafts.lock(schema, wait=True), drafts.conversations(those))
        cursor.execute(drafts.write(schema, **kind), drafts.parameters(those))
        return cursor.fetchall()


def write(draft: Draft) -> Written:
    row = list(execute([draft], files=bool(draft.files))[0])
    if draft.files and row[-1]:
        row[-1] = json.loads(row[-1])  # the writer's own line reads JSON by itself
    return drafts.read(draft, tuple(row))


def send(chat: Chat, client_id: str, text: str = "hello", answer: Answer | None = None) -> Sent:
    """Vera's message, and what the bot says to it at once."""
    return send_turn(chat, client_id, quick(chat, text, answer))[0]


def send_turn(chat: Chat, client_id: str, turn: Turn) -> tuple[Sent, Sent | Message | None]:
    draft = draft_of(turn, chat.visitor.pk, chat.conversation.pk, client_id)
    written = write(draft)
    message = accepted(written)
    if written.outcome == "new" and draft.claims:
        said = turns.answer_at_once(draft.conversation, written.turn, message.seq, draft.answer, [])
        return message, said
    return message, written.answer


def send_as_agent(agent: Agent, chat: Chat, client_id: str, text: str) -> Sent:
    draft = Draft(chat.conversation.pk, Message.Sender.AGENT, agent.pk, client_id, text, name=agent.name)
    return accepted(write(draft))
