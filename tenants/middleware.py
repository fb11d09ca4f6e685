from __future__ import annotations

from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django_tenants.middleware.main import TenantMainMiddleware

from tenants import closed, registry
from tenants.logs import working_for
from tenants.models import Tenant
from tenants.names import PUBLIC

# Asked by address, not by name: load balancers and scrapers know no tenant.
HOSTLESS = ("/healthz", "/readyz", "/metrics")


class TenantMiddleware(TenantMainMiddleware):  # type: ignore[misc]
    """Gives each request its tenant from the Host header; hosts that nobody owns learn nothing but 404."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        connection.set_schema_to_public()  # type: ignore[attr-defined]
        working_for.set("public")
        host = request.META.get("HTTP_HOST", "")
        tenant = registry.tenant_of_host(host) or (_platform() if request.path in HOSTLESS else None)
        if tenant is None:
            return closed.response(request, closed.NOBODY)
        if not tenant.is_active:
            return closed.response(request, closed.SUSPENDED)
        if not tenant.is_migrated and request.path not in HOSTLESS:
            return closed.response(request, closed.UPDATING)
        request.tenant = tenant  # type: ignore[attr-defined]
        connection.set_tenant(tenant)  # type: ignore[attr-defined]
        working_for.set(tenant.schema_name)
        self.setup_url_routing(request)
        return None


def _platform() -> Tenant:
    """Health is asked after also while the database is away, or empty."""
    return registry.tenant_of_schema(PUBLIC) or Tenant(schema_name=PUBLIC)


class TenantScope:
    """ASGI: puts the tenant of a WebSocket's host into its scope, or turns the socket away before anything is read."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        tenant = await registry.find(host)
        if tenant is None or tenant.schema_name == PUBLIC:
            await send({"type": "websocket.close", "code": 4003})
            return
        if not tenant.is_migrated:
            headers = [(b"retry-after", str(closed.UPDATING.retry_after).encode())]
            await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        working_for.set(tenant.schema_name)
        await self.app(scope | {"tenant": tenant, "host": host}, receive, send)
