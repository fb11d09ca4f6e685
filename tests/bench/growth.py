"""What a message costs when the company's table already holds millions of them."""

from __future__ import annotations

from time import monotonic

import psycopg

from tests.bench import measure, tables
from tests.bench.measure import cost
from tests.bench.messages import of_kefu
from tests.bench.stage import company, stage

LENGTH = 20  # messages of a conversation
STEP = 250_000  # messages written in one transaction
# Over a year, a conversation after the other: every other message is the bot's.
FILL = f"""
WITH visitors AS (
    INSERT INTO acme.chat_visitor (id, name, locale, page, created_at, seen_at)
    SELECT gen_random_uuid(), 'Visitor ' || n, 'zh-hans', '{{}}', at, at
    FROM (SELECT n, now() - interval '1 year' * (1 - n::float / %(all)s) AS at
          FROM generate_series(%(first)s::int, %(last)s::int) AS n) AS day
    RETURNING id, created_at
), conversations AS (
    INSERT INTO acme.chat_conversation (
        id, visitor_id, state, epoch, reason, last_seq, agent_read_seq, visitor_read_seq, unread, rating_comment,
        created_at, updated_at, closed_at
    )
    SELECT gen_random_uuid(), id, 'closed', 2, '', {LENGTH}, {LENGTH}, {LENGTH}, 0, '',
        created_at, created_at + interval '1 hour', created_at + interval '1 hour'
    FROM visitors
    RETURNING id, created_at
)
INSERT INTO acme.chat_message (
    conversation_id, seq, client_id, sender_kind, sender_name, text, html, mode, sources, path, created_at
)
SELECT id, seq,
    CASE WHEN seq %% 2 = 1 THEN id::text || '-' || seq END,
    CASE WHEN seq %% 2 = 1 THEN 'visitor' ELSE 'bot' END,
    CASE WHEN seq %% 2 = 1 THEN '访客' ELSE '小珂' END,
    repeat('我上周买的电饭煲坏了，能换吗？', 1 + seq %% 4),
    CASE WHEN seq %% 2 = 1 THEN '' ELSE '<p>' || repeat('七天内质量问题可以换货。', 1 + seq %% 4) || '</p>' END,
    CASE WHEN seq %% 2 = 1 THEN '' ELSE 'reply' END,
    '[]', '{{}}', created_at + seq * interval '1 minute'
FROM conversations, generate_series(1, {LENGTH}) AS seq
ORDER BY created_at, seq
"""


def main(*arguments: str) -> int:
    parser = measure.options("growth")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 1_000_000], help="messages in the table")
    told = parser.parse_args(arguments)
    outcomes = {}
    with stage() as here:
        tenant, filled = company(), 0
        for size in sorted(told.sizes):
            seconds = fill(here.database, filled, size)
            tables.console.print(f"{size - filled:,} messages written in {seconds:.0f} s")
            filled = size
            outcomes[f"{size:,} before"] = of_kefu(here, tenant, told)
    tables.show_outcomes(f"{told.visitors} visitors, each with one message under way", outcomes)
    first, *others = outcomes.values()
    for name, outcome in zip(list(outcomes)[1:], others, strict=True):
        tables.console.print(
            f"{name}: {outcome.rate / first.rate:.2f} times the rate, {cost(outcome) / cost(first):.2f} times the CPU"
        )
    return tables.exit_code(*outcomes.values())


def fill(database: str, have: int, want: int) -> float:
    """Seconds. Written as quickly as the server can: only this connection does not wait for the disk."""
    began = monotonic()
    with psycopg.connect(database, autocommit=True) as line:
        line.execute("SET synchronous_commit TO off")
        for first in range(have // LENGTH, want // LENGTH, STEP // LENGTH):
            last = min(first + STEP // LENGTH, want // LENGTH) - 1
            line.execute(FILL, {"first": first, "last": last, "all": max(1, want // LENGTH)})
        for table in ("chat_visitor", "chat_conversation", "chat_message"):
            line.execute(f"VACUUM (ANALYZE) acme.{table}")
        line.execute("CHECKPOINT")
    return monotonic() - began
