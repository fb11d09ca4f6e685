"""Where in Redis a tenant's things are. The braces keep them in one slot of a Redis Cluster, and say whose they are."""

from __future__ import annotations

from zlib import crc32

from inference.models import Provider
from tenants.models import Tenant
from tenants.names import PUBLIC


def place_of(tenant: Tenant, provider: Provider) -> str:
    """Of what is known of a server. The installation's own is the same one for every tenant; an address that was changed is another."""
    owner = PUBLIC if provider.is_operators else tenant.schema_name
    which = crc32(f"{provider.base_url} {provider.model}".encode())
    return f"kefu:{{{owner}}}:model:{provider.pk or 0}-{which:08x}"


def ladder_of(tenant: Tenant) -> str:
    return f"kefu:{{{tenant.schema_name}}}:ladder"


def changes_of(tenant: Tenant) -> str:
    return f"kefu:{{{tenant.schema_name}}}:ladder-changes"
