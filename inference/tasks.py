from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.utils import timezone, translation

from inference.intents import train_model
from inference.models import IntentModel
from tenants.models import Tenant
from tenants.tasks import tenant_task

PATIENCE = timedelta(minutes=2)


@tenant_task(queue="work", acks_late=True, soft_time_limit=780, time_limit=840)
def train_intents_task(tenant: Tenant, model_id: int) -> None:
    with suppress(IntentModel.DoesNotExist), translation.override(tenant.locale):
        train_model(model_id)


def resend_trainings(tenant: Tenant) -> None:
    """Puts trainings back onto the queue whose task was lost with Redis. Inside the tenant's schema."""
    long_ago = timezone.now() - PATIENCE
    lost = IntentModel.objects.filter(status=IntentModel.Status.QUEUED, created_at__lt=long_ago)
    for model_id in lost.values_list("pk", flat=True):
        train_intents_task.apply_async((tenant.schema_name, model_id), expires=PATIENCE.total_seconds())
