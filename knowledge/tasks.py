from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from knowledge.indexing import index_document
from knowledge.models import Document
from tenants.actions import touch
from tenants.models import Tenant
from tenants.tasks import tenant_task

PATIENCE = timedelta(minutes=2)


@tenant_task(queue="work", acks_late=True, soft_time_limit=600, time_limit=660)
def index_document_task(tenant: Tenant, document_id: int) -> None:
    with suppress(Document.DoesNotExist):  # deleted while the task waited
        index_document(document_id)
        touch(tenant)  # answers that were made without it are not given again


def resend_documents(tenant: Tenant) -> None:
    """Puts documents back onto the queue whose task was lost with Redis. Inside the tenant's schema."""
    long_ago = timezone.now() - PATIENCE
    lost = Document.objects.filter(status=Document.Status.QUEUED, created_at__lt=long_ago)
    for document_id in lost.values_list("pk", flat=True):
        index_document_task.apply_async((tenant.schema_name, document_id), expires=PATIENCE.total_seconds())
