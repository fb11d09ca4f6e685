"""Celery tasks that belong to a tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from celery import shared_task

from tenants.context import inside
from tenants.models import Tenant
from tenants.registry import tenant_of_schema

P = ParamSpec("P")
T = TypeVar("T")


class NoTenant(Exception):
    """A task was sent without a tenant, or for one that does not exist."""


def tenant_task(**options: Any) -> Callable[[Callable[Concatenate[Tenant, P], T]], Any]:
    """A Celery task whose first argument on the wire is a schema name; its body gets the Tenant, inside that schema.

    Fails closed: no tenant, no work. A suspended tenant's tasks are dropped.
    """

    def decorate(function: Callable[Concatenate[Tenant, P], T]) -> Any:
        @shared_task(name=f"{function.__module__}.{function.__name__}", **options)  # type: ignore[untyped-decorator]
        @wraps(function)
        def task(schema_name: str, *args: P.args, **kwargs: P.kwargs) -> T | None:
            tenant = tenant_of_schema(schema_name)
            if tenant is None or schema_name == "public":
                raise NoTenant(schema_name)
            if not tenant.is_active:
                return None
            with inside(tenant):
                return function(tenant, *args, **kwargs)

        return task

    return decorate
