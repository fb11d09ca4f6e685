"""The two statements between which a turn of the worker lane is answered: for a question that needs nothing but an answer they say it all.

By Django's models it would be a dozen queries, which take longer than the answer's own thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

# The turn's row alone is locked, not its conversation: what is committed meanwhile has a `seq` beyond those that are read here, and is
# found to be unanswered when the turn ends. It waits for no disk: a claim that a crash of the database undoes is a turn that two workers
# answer, of whom one may finish.
CLAIM = """
WITH claimed AS (
    UPDATE chat_pendingturn t SET lease_until = %(until)s, attempts = t.attempts + 1,
        through_seq = (SELECT max(m.seq) FROM chat_message m WHERE m.conversation_id = t.conversation_id)
    WHERE t.id = %(turn)s AND (t.lease_until IS NULL OR t.lease_until <= %(now)s)
    RETURNING t.id, t.conversation_id, t.through_seq, t.attempts, t.sent_at
)
SELECT c.id, c.visitor_id, v.locale, asked.text, t.through_seq,
    CASE WHEN v.identified_until > %(now)s THEN v.external_id ELSE '' END, asked.has_files, t.attempts, t.sent_at,
    answered.through IS NULL
FROM claimed t
CROSS JOIN set_config('synchronous_commit', 'off', true)
JOIN chat_conversation c ON c.id = t.conversation_id
JOIN chat_visitor v ON v.id = c.visitor_id
LEFT JOIN LATERAL (
    SELECT coalesce((m.path->>'through')::int, m.seq) AS through FROM chat_message m
    WHERE m.conversation_id = c.id AND m.sender_kind IN ('bot', 'agent') ORDER BY m.seq DESC LIMIT 1
) answered ON true
LEFT JOIN LATERAL (
    -- What the visitor wrote since; the last question where all is answered (`answer.again`).
    SELECT coalesce(string_agg(m.text, E'\\n' ORDER BY m.seq) FILTER (WHERE m.text <> ''), '') AS text,
        coalesce(bool_or(m.attachments <> '[]'), false) AS has_files
    FROM chat_message m
    WHERE m.conversation_id = c.id AND m.sender_kind = 'visitor' AND m.seq > least(coalesce(answered.through, 0), (
        SELECT max(q.seq) - 1 FROM chat_message q WHERE q.conversation_id = c.id AND q.sender_kind = 'visitor'
    ))
) asked ON true
"""

LOCK = "SELECT id FROM chat_conversation WHERE id = %(conversation)s FOR NO KEY UPDATE"
FINISH = """
WITH answered AS (
    SELECT c.id, c.state, c.epoch, c.unread, c.last_seq + 1 AS seq,
        EXISTS (
            SELECT FROM chat_message m
            WHERE m.conversation_id = c.id AND m.sender_kind = 'visitor' AND m.seq > %(through)s
        ) AND (c.state = 'bot' OR NOT EXISTS (
            SELECT FROM chat_agent a JOIN auth_user u ON u.id = a.user_id
            WHERE a.presence = 'online' AND u.is_active AND a.seen_at > %(heard)s
        )) AS goes_on
    FROM chat_conversation c JOIN chat_pendingturn t ON t.conversation_id = c.id AND t.epoch = c.epoch
    WHERE t.id = %(turn)s AND c.state IN ('bot', 'waiting')
), ended AS (
    DELETE FROM chat_pendingturn t USING answered WHERE t.id = %(turn)s AND NOT answered.goes_on
), opened AS (  -- in the row of the one that ends: a conversation has one
    UPDATE chat_pendingturn t SET id = gen_random_uuid(), through_seq = answered.seq, attempts = 0, lease_until = NULL,
        sent_at = %(now)s, created_at = %(now)s
    FROM answered WHERE t.id = %(turn)s AND answered.goes_on
    RETURNING t.id
), moved AS (
    UPDATE chat_conversation c SET last_seq = answered.seq,
        updated_at = CASE WHEN c.updated_at < %(now)s - interval '1 minute' THEN %(now)s ELSE c.updated_at END
    FROM answered WHERE c.id = answered.id
), written AS (
    INSERT INTO chat_message (conversation_id, seq, sender_kind, sender_name, text, html, mode, sources, path, stream, created_at)
    SELECT id, seq, 'bot', %(name)s, %(text)s, %(html)s, %(mode)s, %(sources)s, %(path)s, %(turn)s, %(now)s FROM answered
    RETURNING id
)
SELECT written.id, answered.seq, answered.state, answered.epoch, answered.unread, opened.id,
    last.id, last.seq, last.sender_kind, last.sender_name, last.agent_id, last.text, last.attachments, last.created_at
FROM answered CROSS JOIN written LEFT JOIN opened ON true
LEFT JOIN LATERAL (
    SELECT m.* FROM chat_message m WHERE m.conversation_id = answered.id AND m.sender_kind IN ('visitor', 'agent')
    ORDER BY m.seq DESC LIMIT 1
) last ON true
"""


def claim(**told: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, told)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def finish(told: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Inside a transaction. The second statement's snapshot begins with the lock held."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, told)
        cursor.execute(FINISH, told)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row
