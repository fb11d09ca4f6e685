"""How much a tenant has of what its plan counts; the plan itself, and what follows from it, is in tenants.usage."""

from __future__ import annotations

from django.db import transaction

from chat.models import Agent, Conversation
from tenants.context import outside
from tenants.models import Tenant, Usage
from tenants.usage import month_of, plan_of, stored_bytes


def counted(tenant: Tenant) -> Usage:
    """As it is now. Inside the tenant's schema; goes through its files."""
    return Usage(
        tenant=tenant,
        agents=active_agents(),
        conversations=Conversation.objects.filter(created_at__gte=month_of(tenant), last_seq__gt=0).count(),
        storage_bytes=stored_bytes(tenant),
    )


def measure(tenant: Tenant) -> None:
    """Keeps what is counted now, for who asks about many tenants or cannot wait."""
    usage = counted(tenant)
    with outside(), transaction.atomic():
        if Tenant.objects.filter(pk=tenant.pk).exists():
            usage.save()


def active_agents() -> int:
    """Who was deactivated makes room for another."""
    return Agent.objects.filter(user__is_active=True).count()


def has_room_for_agents(tenant: Tenant, more: int) -> bool:
    with outside():
        allowed = plan_of(tenant).agents
    return not allowed or active_agents() + more <= allowed
