"""The place of who waits for a person, and how long it may take: by what agents really needed lately."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.utils import timezone

from chat.delivery import announce_in, conversation_topic
from chat.events import state_frame
from chat.models import SILENCE, Conversation
from tenants.models import Policy

USUAL = 180  # seconds an agent takes for one visitor, as long as nothing is known
WEIGHT = 5  # conversations that this counts for beside what is known
SHORTEST, LONGEST = 30, 3600
STEP = 30  # seconds: an estimate is not better than that

# Those ahead, in the same team's queue; the last fifty conversations that agents closed within a day: how many, and their seconds
# together; agents who are there, and how many conversations they take at once.
PACE = """
WITH lately AS (
    SELECT extract(epoch FROM closed_at - agent_since) AS seconds FROM chat_conversation
    WHERE state = 'closed' AND agent_id IS NOT NULL AND closed_at > now() - interval '24 hours'
    ORDER BY closed_at DESC LIMIT 50
)
SELECT (
    SELECT count(*) FROM chat_conversation
    WHERE state = 'waiting' AND team_id IS NOT DISTINCT FROM %(team)s::bigint AND (waiting_since, id) < (%(since)s, %(id)s)
), (SELECT count(seconds) FROM lately), (SELECT sum(seconds) FROM lately), count(*), sum(a."limit")
FROM chat_agent a JOIN auth_user u ON u.id = a.user_id
WHERE a.presence = 'online' AND a.seen_at > %(heard)s AND u.is_active AND (
    %(team)s::bigint IS NULL
    OR EXISTS (SELECT FROM chat_team_members m WHERE m.agent_id = a.id AND m.team_id = %(team)s::bigint)
)
"""
# Who is told: who has moved up, and far behind only who has by a tenth. A row that somebody holds is looked at the next time.
PLACES = """
WITH placed AS MATERIALIZED (
    SELECT id, place AS told, row_number() OVER (PARTITION BY team_id ORDER BY waiting_since, id) AS place
    FROM chat_conversation WHERE state = 'waiting'
), held AS (
    SELECT c.id, p.place FROM chat_conversation c JOIN placed p ON p.id = c.id
    WHERE c.state = 'waiting' AND p.told <> p.place AND (p.place <= 20 OR abs(p.told - p.place) * 10 >= p.place)
    FOR NO KEY UPDATE OF c SKIP LOCKED
)
UPDATE chat_conversation c SET place = held.place FROM held WHERE c.id = held.id RETURNING c.id
"""


def queue_position(conversation: Conversation) -> tuple[int, int]:
    """Place in the queue from 1, and a rough estimate in seconds, 0 while nobody is there; zeros for who does not wait."""
    if conversation.state != Conversation.State.WAITING or conversation.waiting_since is None:
        return 0, 0
    ahead, pace = _look(conversation)
    return ahead + 1, estimate(ahead + 1, pace)


def tell_places() -> int:
    """Tells visitors who wait that their place has changed. How many were told."""
    with connection.cursor() as cursor:
        cursor.execute(PLACES)
        moved = [row[0] for row in cursor.fetchall()]
    paces: dict[int | None, float] = {}
    for conversation in Conversation.objects.filter(pk__in=moved):
        team = conversation.team_id
        if team not in paces:
            paces[team] = _look(conversation)[1]
        frame = state_frame(conversation, conversation.place, estimate(conversation.place, paces[team]))
        announce_in(conversation_topic, conversation.pk, frame)
    return len(moved)


def estimate(place: int, pace: float) -> int:
    """Seconds, in steps of half a minute. `pace`: seconds in which the queue moves up by one; 0 where nobody knows."""
    return -int(-place * pace // STEP) * STEP


def _look(conversation: Conversation) -> tuple[int, float]:
    """(how many are ahead, the pace)."""
    where: dict[str, Any] = {
        "team": conversation.team_id,
        "since": conversation.waiting_since,
        "id": conversation.pk,
        "heard": timezone.now() - SILENCE,
    }
    with connection.cursor() as cursor:
        cursor.execute(PACE, where)
        ahead, cases, taken, agents, room = cursor.fetchone()
    policy: Policy = connection.tenant.policy  # type: ignore[attr-defined]
    at_once = agents if policy.assignment == Policy.Assignment.OFF else max(agents, room or 0)
    mean = (float(taken or 0) + WEIGHT * USUAL) / (cases + WEIGHT)
    return ahead, min(max(mean, SHORTEST), LONGEST) / at_once if at_once else 0.0
