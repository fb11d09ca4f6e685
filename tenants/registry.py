"""Who is served here, as this process last read it: a snapshot of the public tables, at most two seconds old.

Hosts are resolved without a query, and a tenant's `revision` and `status` reach every process within those two seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace

from django.db import DatabaseError

from tenants import migrating
from tenants.context import outside, public_call
from tenants.gather import Gathered
from tenants.models import Domain, Tenant

logger = logging.getLogger(__name__)

FRESH = 2.0  # seconds


@dataclass(frozen=True)
class Snapshot:
    by_schema: dict[str, Tenant] = field(default_factory=dict)
    by_host: dict[str, Tenant] = field(default_factory=dict)
    read_at: float = float("-inf")

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < FRESH

    def of_host(self, host: str) -> Tenant | None:
        name = (host.rsplit(":", 1)[0] if not host.endswith("]") else host).lower()
        return self.by_host.get(name) or self.by_host.get(name.removeprefix("www."))


_snapshot = Snapshot()
_lock = threading.Lock()


def tenant_of_host(host: str) -> Tenant | None:
    """The tenant a Host header names, whatever its port and with or without `www.`. May query: not for coroutines."""
    return _fresh().of_host(host)


def tenant_of_schema(schema_name: str) -> Tenant | None:
    """May query: not for coroutines."""
    return _fresh().by_schema.get(schema_name)


async def find(host: str) -> Tenant | None:
    """`tenant_of_host` for coroutines."""
    return (await _soon_fresh()).of_host(host)


async def current(tenant: Tenant) -> Tenant | None:
    """The same tenant as it is now, for coroutines; None when it was erased."""
    return (await _soon_fresh()).by_schema.get(tenant.schema_name)


async def _soon_fresh() -> Snapshot:
    return _snapshot if _snapshot.is_fresh else await _read_again(None)


async def _read_for_all(askers: list[None]) -> list[Snapshot]:
    """On one database thread: however many sockets ask when it is due, the others are not kept from their work."""
    return [await public_call(_fresh)] * len(askers)


_read_again = Gathered(_read_for_all)


def active_tenants() -> list[Tenant]:
    """Companies that are served: neither suspended nor behind with their migrations."""
    return [
        tenant
        for name, tenant in _fresh().by_schema.items()
        if name != "public" and tenant.is_active and tenant.is_migrated
    ]


def behind() -> list[str]:
    """The schemas of those that are not served until they are migrated."""
    return [name for name, tenant in _fresh().by_schema.items() if not tenant.is_migrated]


def forget() -> None:
    """Makes the next look-up read again: whoever changed a tenant sees the change at once in its own process."""
    global _snapshot
    _snapshot = replace(_snapshot, read_at=float("-inf"))


def _fresh() -> Snapshot:
    global _snapshot
    if not _snapshot.is_fresh:
        with _lock:
            if not _snapshot.is_fresh:
                _snapshot = _read_or_keep()
    return _snapshot


def _read_or_keep() -> Snapshot:
    """While the database is away, what was known last still tells hosts apart; a process that never read it knows nobody."""
    try:
        return _read()
    except DatabaseError:
        logger.warning("The registry of tenants could not be read; the last one is kept")
        return replace(_snapshot, read_at=time.monotonic())


def _read() -> Snapshot:
    with outside():
        tenants = {tenant.pk: tenant for tenant in Tenant.objects.select_related("policy", "plan")}
        hosts = {domain.domain: tenants[domain.tenant_id] for domain in Domain.objects.all()}
        migrated = migrating.migrated_tenants()
    for tenant in tenants.values():
        tenant.is_migrated = tenant.pk in migrated
    return Snapshot({tenant.schema_name: tenant for tenant in tenants.values()}, hosts, time.monotonic())
