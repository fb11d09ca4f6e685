"""How a message becomes a row: the two statements that write any number of them, one for each conversation, in one transaction.

The first locks the conversations and keeps what it got in a setting of the transaction; the second, whose snapshot begins with the
locks held, gives the sequence numbers, writes the messages, the bot's ready answers and the turns for the workers, and moves the
conversations on. What may not be written is judged row by row and harms no other row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql
from pydantic_core import to_json

from chat.models import Message
from chat.webhooks import MESSAGES_CREATED
from inference.turn import Answer
from knowledge.markdown import render

Sender = Message.Sender


@dataclass(slots=True, eq=False)
class Draft:
    """A message that is to be written. `author` is a visitor's id or an agent's number."""

    conversation: UUID
    kind: str  # a Message.Sender: visitor or agent
    author: UUID | int
    client_id: str
    text: str
    name: str = ""  # an agent's; a visitor's is in the database
    files: Sequence[UUID] = ()  # uploaded by the same, into the same conversation, and in no message yet
    refused: bool = False  # a word in it may not be said: written only where the bot answers that
    follows: int | None = None  # the seq right before its own, if `answer` is right after that only
    answer: Answer | None = (
        None  # what the bot says to it at once, if it is in charge and nothing is in flight
    )
    bot_name: str = ""
    path: list[dict[str, Any]] | None = None
    claims: bool = False  # the writer goes on with the turn itself, no worker is to be asked


@dataclass(slots=True)
class Sent:
    """A message that was just written: what frames show of it. Making a whole `Message` would take longer than all the rest."""

    conversation_id: UUID
    seq: int
    pk: int
    client_id: str | None
    sender_kind: str
    sender_name: str
    agent_id: int | None
    text: str
    html: str
    created_at: datetime
    mode: str = ""
    sources: Sequence[dict[str, str]] = ()
    stream: UUID | None = None
    attachments: Sequence[dict[str, Any]] = ()


@dataclass(slots=True)
class Written:
    """What became of a draft.

    `outcome`: "new", "known" (a resend: `message` is the first one), "busy" (somebody holds the conversation: try again),
    "not_found", "closed", "not_owner" (`agent` has it, or nobody), "refused", "no_file" (one of its files is not there, not its
    sender's, or in a message already), "crowded" (another draft of its conversation goes first), "unavailable" (the database is
    away) or "failed" (the database will not have it).
    """

    outcome: str
    state: str = ""
    epoch: int = 0
    agent: dict[str, Any] | None = None
    unread: int = 0
    message: Sent | None = None
    answer: Sent | None = None
    turn: UUID | None = None  # the one that was opened for it


# The statements are PostgreSQL's own ($1): psycopg would read through all of them for its placeholders whenever they are executed.


@cache
def lock(schema: str, *, wait: bool) -> bytes:
    """Parameters: see `conversations`. Without `wait`, those that somebody else holds are left out."""
    return _in_schema(LOCK.replace("{waits}", "" if wait else "SKIP LOCKED"), schema)


@cache
def write(schema: str, *, heard: bool = False, files: bool = False) -> bytes:
    """Parameters: see `parameters`. A row for each draft, in their order: see `read`.

    `heard`: a webhook wants every message. `files`: a draft has some; without any, the statement does not know of them.
    """
    more = (MESSAGES_CREATED if heard else "") + (FILES_TAKEN if files else "")
    lines = [line for line in WRITE.splitlines() if files or not line.endswith(OF_FILES)]
    return _in_schema("\n".join(lines).replace("{more}", more), schema)


def _in_schema(statement: str, schema: str) -> bytes:
    return statement.replace("{s}", sql.Identifier(schema).as_string()).encode()


LOCK = """
SELECT set_config('kefu.held', coalesce(string_agg(id::text, ','), ''), true) FROM (
    SELECT id FROM {s}.chat_conversation WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE {waits}
) AS held
"""
OF_FILES = "-- files"
WRITE = """
WITH held AS MATERIALIZED (
    SELECT c.id, c.visitor_id, c.agent_id, c.state, c.epoch, c.last_seq, c.unread,
        c.state = 'bot' OR (c.state = 'waiting' AND NOT EXISTS (
            SELECT FROM {s}.chat_agent a JOIN {s}.auth_user u ON u.id = a.user_id
            WHERE a.presence = 'online' AND u.is_active AND a.seen_at > now() - interval '75 seconds'  -- chat.models.SILENCE
        )) AS bot_speaks,
        EXISTS (SELECT FROM {s}.chat_pendingturn t WHERE t.conversation_id = c.id) AS in_flight
    FROM {s}.chat_conversation c
    WHERE c.id = ANY(string_to_array(nullif(current_setting('kefu.held'), ''), ',')::uuid[])
), draft AS (
    SELECT * FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (
        conversation_id uuid, kind text, visitor_id uuid, agent_id bigint, client_id text, text text, html text, name text,
        files jsonb,  -- files
        refused bool, claims bool, follows int, answer text, answer_html text, mode text, sources jsonb, path jsonb,
        bot_name text
    )) WITH ORDINALITY AS d(
        conversation_id, kind, visitor_id, agent_id, client_id, text, html, name,
        files,  -- files
        refused, claims, follows, answer, answer_html, mode, sources, path, bot_name, n
    )
), judged AS MATERIALIZED (
    SELECT d.*, h.state, h.epoch, h.last_seq, h.bot_speaks AND NOT h.in_flight AS bot_is_free, h.agent_id AS owner_id,
        d.answer IS NOT NULL AND h.last_seq = coalesce(d.follows, h.last_seq) AS fits,
        CASE WHEN d.kind = 'visitor' THEN h.unread + 1 ELSE 0 END AS unread,
        k.id AS known_id, k.seq AS known_seq, k.created_at AS known_at,
        CASE
            WHEN h.id IS NULL THEN CASE
                WHEN EXISTS (SELECT FROM {s}.chat_conversation c WHERE c.id = d.conversation_id) THEN 'busy' ELSE 'not_found'
            END
            WHEN d.kind = 'visitor' AND h.visitor_id <> d.visitor_id THEN 'not_found'
            WHEN k.id IS NOT NULL THEN 'known'
            WHEN h.state = 'closed' THEN 'closed'
            WHEN d.kind = 'agent' AND (h.state <> 'agent' OR h.agent_id IS DISTINCT FROM d.agent_id) THEN 'not_owner'
            WHEN d.refused AND NOT h.bot_speaks THEN 'refused'
            WHEN jsonb_array_length(d.files) > (  -- files
                SELECT count(*) FROM {s}.chat_attachment f  -- files
                WHERE f.conversation_id = d.conversation_id AND d.files ? f.id::text AND f.message_id IS NULL  -- files
                    AND f.sender_kind = d.kind AND f.agent_id IS NOT DISTINCT FROM d.agent_id  -- files
            ) THEN 'no_file'  -- files
            ELSE 'new'
        END AS outcome
    FROM draft d
    LEFT JOIN held h ON h.id = d.conversation_id
    LEFT JOIN LATERAL (
        SELECT m.id, m.seq, m.created_at FROM {s}.chat_message m
        WHERE m.conversation_id = d.conversation_id AND m.sender_kind = d.kind AND m.client_id = d.client_id
        LIMIT 1  -- without it, a plan made while there are few messages would read them all for ever
    ) k ON true
), decided AS MATERIALIZED (
    SELECT *, outcome = 'new' AND kind = 'visitor' AND bot_is_free AND fits AS answered,
        outcome = 'new' AND kind = 'visitor' AND bot_is_free AND NOT fits AS asks
    FROM judged
), numbered AS (
    -- Numbered here, what is written below need not be looked up again.
    SELECT *, CASE WHEN outcome = 'new' THEN nextval('{s}.chat_message_id_seq') END AS message_id,
        CASE WHEN answered THEN nextval('{s}.chat_message_id_seq') END AS answer_id,
        CASE WHEN asks THEN gen_random_uuid() END AS turn_id,
        coalesce((SELECT v.name FROM {s}.chat_visitor v WHERE v.id = visitor_id), name) AS sender_name
        , CASE WHEN outcome = 'new' AND files IS NOT NULL THEN (  -- files
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(  -- files
                'id', f.id, 'name', f.name, 'type', f.type, 'size', f.size, 'width', f.width, 'height', f.height  -- files
            )) ORDER BY chosen.place)  -- files
            FROM jsonb_array_elements_text(files) WITH ORDINALITY AS chosen(id, place)  -- files
            JOIN {s}.chat_attachment f ON f.id = chosen.id::uuid  -- files
        ) END AS attachments  -- files
    FROM decided
), moved AS (
    UPDATE {s}.chat_conversation c SET
        last_seq = a.last_seq + 1 + a.answered::int,
        unread = a.unread,
        agent_read_seq = CASE WHEN a.kind = 'agent' THEN a.last_seq + 1 ELSE c.agent_read_seq END,
        -- Lists are sorted by it to the minute: each change of it would have to be written into every index of the row.
        updated_at = CASE WHEN c.updated_at < now() - interval '1 minute' THEN now() ELSE c.updated_at END
    FROM numbered a WHERE a.outcome = 'new' AND c.id = a.conversation_id
), written AS (
    INSERT INTO {s}.chat_message (
        id, conversation_id, seq, client_id, sender_kind, sender_name, agent_id, text, html, mode, sources, path,
        attachments,  -- files
        created_at
    )
    SELECT message_id, conversation_id, last_seq + 1, client_id, kind, sender_name, agent_id, text, html,
        '', '[]'::jsonb, '{}'::jsonb,
        coalesce(attachments, '[]'::jsonb),  -- files
        now()
    FROM numbered WHERE outcome = 'new'
    UNION ALL
    SELECT answer_id, conversation_id, last_seq + 2, NULL, 'bot', bot_name, NULL, answer, answer_html,
        mode, sources, path || jsonb_build_object('through', last_seq + 1),
        '[]'::jsonb,  -- files
        now()
    FROM numbered WHERE answered
    RETURNING id, conversation_id, seq, sender_kind, sender_name, text, attachments, created_at
), asked AS (
    INSERT INTO {s}.chat_pendingturn (id, conversation_id, through_seq, epoch, attempts, lease_until, sent_at, created_at)
    SELECT turn_id, conversation_id, last_seq + 1, epoch, claims::int,
        CASE WHEN claims THEN now() + interval '15 seconds' END, now(), now()
    FROM numbered WHERE asks
){more}
SELECT n.outcome, n.state, n.epoch, n.unread, owner.id, owner.name, owner.presence,
    coalesce(n.known_id, n.message_id), coalesce(n.known_seq, n.last_seq + 1), coalesce(n.known_at, now()), n.sender_name,
    n.answer_id, n.last_seq + 2, n.turn_id
    , n.attachments  -- files
FROM numbered n
LEFT JOIN {s}.chat_agent owner ON owner.id = n.owner_id
ORDER BY n.n
"""


# ... and where drafts have files: those are the message's from now on.
FILES_TAKEN = """, taken AS (
    UPDATE {s}.chat_attachment f SET message_id = n.message_id FROM numbered n
    WHERE n.outcome = 'new' AND f.conversation_id = n.conversation_id AND n.files ? f.id::text
)"""


def conversations(drafts: list[Draft]) -> list[str]:
    return ["{" + ",".join(str(draft.conversation) for draft in drafts) + "}"]


def parameters(drafts: list[Draft]) -> list[str]:
    return [to_json([_row(draft) for draft in drafts]).decode()]


def _row(draft: Draft) -> dict[str, Any]:
    by_visitor = draft.kind == Sender.VISITOR
    row: dict[str, Any] = {
        "conversation_id": draft.conversation,
        "kind": draft.kind,
        "visitor_id" if by_visitor else "agent_id": draft.author,
        "client_id": draft.client_id,
        "text": draft.text,
        "html": "" if by_visitor else render(draft.text),
        "name": draft.name,
        "refused": draft.refused,
        "claims": draft.claims,
    }
    if draft.files:
        row["files"] = draft.files
    if draft.answer and not draft.claims:
        row |= {
            "answer": draft.answer.text,
            "answer_html": render(draft.answer.text),
            "mode": draft.answer.mode,
            "sources": [source.as_dict() for source in draft.answer.sources],
            "path": {"steps": draft.path, "open": draft.answer.open},
            "bot_name": draft.bot_name,
            "follows": draft.follows,
        }
    return row


def read(draft: Draft, row: tuple[Any, ...]) -> Written:
    """One row that `write` gave back."""
    (outcome, state, epoch, unread, owner, owner_name, owner_presence,
     message, seq, at, sender_name, answer, answer_seq, turn, *of_files) = row  # fmt: skip
    attachments = of_files[0] if of_files else None
    return Written(
        outcome,
        state or "",
        epoch or 0,
        {"id": owner, "name": owner_name, "presence": owner_presence} if owner is not None else None,
        unread or 0,
        _message(draft, message, seq, at, sender_name, attachments) if message is not None else None,
        _answer(draft, draft.answer, answer, answer_seq, at) if answer is not None and draft.answer else None,
        turn,
    )


def _message(
    draft: Draft, pk: int, seq: int, at: datetime, name: str, attachments: list[dict[str, Any]] | None
) -> Sent:
    by_visitor = draft.kind == Sender.VISITOR
    return Sent(
        draft.conversation,
        seq,
        pk,
        draft.client_id,
        draft.kind,
        name or draft.name,
        draft.author if isinstance(draft.author, int) else None,
        draft.text,
        "" if by_visitor else render(draft.text),
        at,
        attachments=attachments or (),
    )


def _answer(draft: Draft, answer: Answer, pk: int, seq: int, at: datetime) -> Sent:
    return Sent(
        draft.conversation,
        seq,
        pk,
        None,
        Sender.BOT,
        draft.bot_name,
        None,
        answer.text,
        render(answer.text),
        at,
        answer.mode,
        [source.as_dict() for source in answer.sources],
    )
