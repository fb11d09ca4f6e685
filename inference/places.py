"""Where in Redis a tenant's things are. The braces keep them in one slot of a Redis Cluster, and say whose they are."""

from __future__ import annotations

from zlib import crc32

from inference.models import Connector, Provider
from tenants.models import Tenant
from tenants.names import PUBLIC


def place_of(tenant: Tenant, asked: Provider | Connector) -> str:
    """Of what is known of a model server or a business system. The installation's own server is the same one for every tenant; one
    whose address was changed is another.
    """
    if isinstance(asked, Connector):
        return f"kefu:{{{tenant.schema_name}}}:connector:{asked.name}"
    provider = asked
    owner = PUBLIC if provider.is_operators else tenant.schema_name
    which = crc32(f"{provider.base_url} {provider.model}".encode())
    return f"kefu:{{{owner}}}:model:{provider.pk or 0}-{which:08x}"


def ladder_of(tenant: Tenant) -> str:
    return f"kefu:{{{tenant.schema_name}}}:ladder"


def changes_of(tenant: Tenant) -> str:
    return f"kefu:{{{tenant.schema_name}}}:ladder-changes"
