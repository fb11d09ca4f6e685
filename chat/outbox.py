"""The outbox: what is to happen outside is a row of the same transaction as what it follows from, and is done from there.

A task does it at once; the sweeper has it done where Redis or a worker forgot it. See `chat.effects` for how.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from chat.models import Effect
from kefu import metrics
from tenants.tasks import post

logger = logging.getLogger(__name__)

TRIES = 8
FIRST_DELAY, FACTOR = (
    5.0,
    4,
)  # seconds until the second try; each further one waits so much longer: 8 take 7 hours
LEASE = timedelta(seconds=60)  # longer than any try takes; a worker that was killed is forgotten after it
AT_ONCE = 4  # tries to one target that may run side by side: a slow one keeps this many threads and no more
PAUSE = timedelta(seconds=60)  # for what else waits for a target that cannot be reached
KEPT = timedelta(days=7)  # done ones
KEPT_FAILED = timedelta(days=30)
SWEPT = 500  # targets at a time

Target = tuple[str, str]  # kind and target


class NotDone(Exception):
    """An effect that did not come about. `permanent`: no further try will help. `unreachable`: nobody was there to take it."""

    def __init__(self, reason: str, *, permanent: bool = False, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.permanent, self.unreachable = permanent, unreachable


def record(kind: Effect.Kind, target: str, payload: dict[str, Any]) -> Effect:
    """Inside the tenant's schema and the transaction of what it follows from; on its way once that is committed."""
    effect = Effect.objects.create(kind=kind, target=target, payload=payload)
    transaction.on_commit(partial(send, connection.schema_name, (kind, target)))  # type: ignore[attr-defined]
    return effect


def send(schema: str, target: Target) -> None:
    """Tells the workers that something is due for `target`; the sweeper does it again for what Redis lost."""
    post("chat.effects.perform", schema, *target, queue="effects")


def resend_due() -> int:
    """Tells the workers of all that is due, inside a tenant's schema. To how many targets."""
    due = Effect.objects.due(timezone.now()).values_list("kind", "target").distinct()
    targets = list(due[:SWEPT])
    for target in targets:
        send(connection.schema_name, target)  # type: ignore[attr-defined]
    return len(targets)


@transaction.atomic
def claim(kind: str, target: str) -> Effect | None:
    """The next effect that is due for `target`, for this caller alone until its lease ends."""
    now = timezone.now()
    of_target = Effect.objects.filter(kind=kind, target=target)
    if of_target.pending().filter(lease_until__gt=now).count() >= AT_ONCE:
        return None
    effect = of_target.due(now).select_for_update(skip_locked=True).order_by("due_at").first()
    if effect:
        effect.attempts, effect.lease_until = effect.attempts + 1, now + LEASE
        effect.save(update_fields=["attempts", "lease_until"])
    return effect


def finish(effect: Effect) -> None:
    """Whoever holds the lease by now: it has happened."""
    Effect.objects.filter(pk=effect.pk).update(
        done_at=timezone.now(), failed_at=None, lease_until=None, last_error=""
    )
    metrics.EFFECTS.labels(effect.kind, "done").inc()


def put_off(effect: Effect, failure: NotDone) -> None:
    """Another try later, or none where none will help. Not where the lease has passed to somebody else."""
    now = timezone.now()
    mine = Effect.objects.pending().filter(pk=effect.pk, lease_until=effect.lease_until)
    if failure.permanent or effect.attempts >= TRIES:
        mine.update(failed_at=now, lease_until=None, last_error=str(failure)[:300])
        metrics.EFFECTS.labels(effect.kind, "given up").inc()
        return
    due = now + delay(effect.attempts)
    mine.update(due_at=due, lease_until=None, last_error=str(failure)[:300])
    if failure.unreachable:
        others = Effect.objects.filter(kind=effect.kind, target=effect.target).due(now)
        others.update(due_at=min(due, now + PAUSE))
    metrics.EFFECTS.labels(effect.kind, "put off").inc()


def delay(attempts: int) -> timedelta:
    """Until the next try: four times as long after each, a quarter more or less so that not all come at once."""
    return timedelta(seconds=FIRST_DELAY * FACTOR ** (attempts - 1) * random.uniform(0.75, 1.25))


def try_again(effects: models.QuerySet[Effect]) -> int:
    """Starts given-up effects over, with as many tries as new ones. How many."""
    failed = effects.exclude(failed_at=None)
    targets: Iterable[Target] = set(failed.values_list("kind", "target"))
    count = failed.update(failed_at=None, attempts=0, due_at=timezone.now())
    for target in targets:
        transaction.on_commit(partial(send, connection.schema_name, target))  # type: ignore[attr-defined]
    return count


def forget_old() -> int:
    """Deletes what is over and was kept long enough. How many rows."""
    now = timezone.now()
    over = models.Q(done_at__lt=now - KEPT) | models.Q(failed_at__lt=now - KEPT_FAILED)
    rows, _by_table = Effect.objects.filter(over, created_at__lt=now - KEPT).delete()
    return rows
