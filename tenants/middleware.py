from __future__ import annotations

from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django_tenants.middleware.main import TenantMainMiddleware

from tenants import registry
from tenants.logs import working_for
from tenants.models import Tenant
from tenants.names import PUBLIC

# Asked by address, not by name: load balancers and scrapers know no tenant.
HOSTLESS = ("/healthz", "/readyz", "/metrics")
RETRY_AFTER = 10  # seconds, where a schema is behind with its migrations


class TenantMiddleware(TenantMainMiddleware):  # type: ignore[misc]
    """Gives each request its tenant from the Host header; hosts that nobody owns learn nothing but 404."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        connection.set_schema_to_public()  # type: ignore[attr-defined]
        working_for.set("public")
        host = request.META.get("HTTP_HOST", "")
        tenant = registry.tenant_of_host(host) or (_platform() if request.path in HOSTLESS else None)
        if tenant is None:
            return _plain(404, "404")
        if not tenant.is_active:
            return _plain(503, _("This service is suspended."))
        if not tenant.is_migrated and request.path not in HOSTLESS:
            response = _plain(503, _("This service is being updated. Please try again in a minute."))
            response["Retry-After"] = str(RETRY_AFTER)
            return response
        request.tenant = tenant  # type: ignore[attr-defined]
        connection.set_tenant(tenant)  # type: ignore[attr-defined]
        working_for.set(tenant.schema_name)
        self.setup_url_routing(request)
        return None


def _platform() -> Tenant:
    """Health is asked after also while the database is away, or empty."""
    return registry.tenant_of_schema(PUBLIC) or Tenant(schema_name=PUBLIC)


def _plain(status: int, text: str) -> HttpResponse:
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    response._has_been_logged = True  # type: ignore[attr-defined]  # strangers must not fill the log
    return response


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
            headers = [(b"retry-after", str(RETRY_AFTER).encode())]
            await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        working_for.set(tenant.schema_name)
        await self.app(scope | {"tenant": tenant, "host": host}, receive, send)
