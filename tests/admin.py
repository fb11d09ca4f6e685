"""The admin as people use it: a browser's requests to one tenant's host."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client

from tenants.context import inside
from tenants.models import Tenant


def browser(tenant: Tenant, user: User | None = None) -> Client:
    """On the tenant's host; logged in as `user`, if there is one."""
    host = "localhost" if tenant.schema_name == "public" else f"{tenant.schema_name}.localhost"
    client = Client(HTTP_HOST=host, HTTP_ACCEPT_LANGUAGE="en")
    if user:
        with inside(tenant):
            client.force_login(user)
    return client


def administrator(tenant: Tenant) -> Client:
    with inside(tenant):
        user, _is_new = User.objects.get_or_create(
            username="overseer", defaults={"is_staff": True, "is_superuser": True}
        )
    return browser(tenant, user)


def revision(tenant: Tenant) -> int:
    return Tenant.objects.get(pk=tenant.pk).revision
