"""Every change to who is served here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from tenants import registry
from tenants.context import outside
from tenants.models import Domain, Policy, Tenant


def add(
    schema_name: str, name: str, hosts: Iterable[str], *, policy: dict[str, Any] | None = None, **fields: Any
) -> Tenant:
    """A new tenant with its schema, migrated; the first of `hosts` is its primary domain.

    All or nothing: a failure half-way leaves neither rows nor schema, and the name can be used again.
    Raises ValidationError for a bad name, IntegrityError for a taken name or host.
    """
    tenant = Tenant(schema_name=schema_name, name=name, **fields)
    tenant.clean_fields()
    with outside(), transaction.atomic():
        tenant.save()
        for position, host in enumerate(hosts):
            Domain.objects.create(domain=host.lower(), tenant=tenant, is_primary=position == 0)
        Policy.objects.create(tenant=tenant, **(policy or {}))
    registry.forget()
    return tenant


def touch(tenant: Tenant) -> None:
    """Tells every process that something it keeps in memory for `tenant` has changed."""
    with outside():
        Tenant.objects.filter(pk=tenant.pk).update(
            revision=models.F("revision") + 1, changed_at=timezone.now()
        )
    registry.forget()


def suspend(tenant: Tenant) -> None:
    _set_status(tenant, Tenant.Status.SUSPENDED)


def resume(tenant: Tenant) -> None:
    _set_status(tenant, Tenant.Status.ACTIVE)


def _set_status(tenant: Tenant, status: Tenant.Status) -> None:
    with outside():
        Tenant.objects.filter(pk=tenant.pk).update(status=status)
    touch(tenant)
