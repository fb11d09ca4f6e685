"""The workers' side of the outbox: claims what is due for one target and does it, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable

from celery import shared_task
from django.utils import translation
from django.utils.translation import gettext as _

from chat import mail, outbox, spending, uploads, webhooks
from chat.models import Effect
from chat.visitors import erasing
from tenants.context import inside
from tenants.models import Tenant
from tenants.registry import active_tenants
from tenants.tasks import tenant_task

SPELL = 5.0  # seconds after which a task lets others have their turn, and a worker that was told to stop can

KINDS: dict[str, Callable[[Tenant, Effect], None]] = {  # each raises outbox.NotDone
    Effect.Kind.WEBHOOK: webhooks.deliver,
    Effect.Kind.EMAIL: mail.deliver,
}


@tenant_task()
def perform(tenant: Tenant, kind: str, target: str) -> None:
    began = time.monotonic()
    while effect := outbox.claim(kind, target):
        attempt(tenant, effect)
        if time.monotonic() - began > SPELL:
            outbox.send(tenant.schema_name, (kind, target))
            return


def attempt(tenant: Tenant, effect: Effect) -> None:
    """One try of an effect that was claimed."""
    try:
        with translation.override(tenant.locale):  # what went wrong is read by the company
            if effect.attempts > outbox.TRIES:
                raise outbox.NotDone(_("No try came to an end."), permanent=True)
            KINDS[effect.kind](tenant, effect)
    except outbox.NotDone as failure:
        outbox.put_off(effect, failure)
    else:
        outbox.finish(effect)


@shared_task  # type: ignore[untyped-decorator]
def tidy() -> None:
    for tenant in active_tenants():
        with inside(tenant):
            outbox.forget_old()
            spending.forget_old(tenant)
            uploads.tidy()
            erasing.finish_begun(tenant)
