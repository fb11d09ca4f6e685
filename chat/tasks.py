"""The worker lane's entry: one task answers one turn, a sweeper sends again what was lost."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import shared_task
from django.db import DatabaseError

from chat import assignment, outbox, queue, silence, turns, usage
from chat import effects as effects  # its tasks are found through this module
from chat.answering import answer
from inference import loop
from inference.tasks import resend_trainings
from knowledge.tasks import resend_documents
from tenants.context import inside
from tenants.models import Tenant
from tenants.registry import active_tenants
from tenants.tasks import tenant_task

logger = logging.getLogger(__name__)


@tenant_task()
def answer_turn(tenant: Tenant, turn_id: str) -> None:
    loop.run(answer(tenant, UUID(turn_id)), timeout=tenant.policy.turn_deadline + 30)


@shared_task  # type: ignore[untyped-decorator]
def sweep() -> None:
    for tenant in active_tenants():
        with inside(tenant):
            resend_documents(tenant)
            resend_trainings(tenant)
            outbox.resend_due()
            silence.move_on_silent(tenant)
            assignment.assign_waiting(tenant)
            queue.tell_places()
            if lost := turns.resend_lost():
                logger.warning("%s: %d lost turns sent again", tenant.schema_name, lost)


@shared_task  # type: ignore[untyped-decorator]
def measure() -> None:
    """What every tenant uses of its plan. One that cannot be measured keeps its last figures and holds up no other."""
    for tenant in active_tenants():
        try:
            with inside(tenant):
                usage.measure(tenant)
        except (DatabaseError, OSError):
            logger.exception("%s: its usage could not be measured", tenant.schema_name)
