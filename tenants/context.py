"""The one door into a tenant's schema.

A schema set on a connection does not survive an `await`, because coroutines share threads and threads own connections. So the
schema is entered and left inside one function on one worker thread, and nothing else in the project sets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django_tenants.utils import schema_context, tenant_context

from tenants.logs import working_for
from tenants.models import Tenant

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def inside(tenant: Tenant) -> Iterator[None]:
    """For synchronous code: everything in the block reads and writes `tenant`'s schema."""
    with tenant_context(tenant), _named(tenant.schema_name):
        yield


@contextmanager
def outside() -> Iterator[None]:
    """For synchronous code: the public schema, where tenants themselves are kept."""
    with schema_context("public"), _named("public"):
        yield


@contextmanager
def _named(schema: str) -> Iterator[None]:
    """For the log."""
    before = working_for.get()
    working_for.set(schema)
    try:
        yield
    finally:
        working_for.set(before)


async def database_call(tenant: Tenant, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `function(*args, **kwargs)`, run on a database thread inside `tenant`'s schema."""
    return await sync_to_async(_call, thread_sensitive=False, executor=_threads())(
        tenant, function, *args, **kwargs
    )


async def public_call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same in the public schema."""
    return await sync_to_async(_call, thread_sensitive=False, executor=_threads())(
        None, function, *args, **kwargs
    )


def _call(tenant: Tenant | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        with inside(tenant) if tenant else outside():
            return function(*args, **kwargs)
    except (OperationalError, InterfaceError):
        # The thread keeps its connection between calls: a broken one must not stay.
        connection.close()
        raise


@cache
def _threads() -> ThreadPoolExecutor:
    """Bounded, so that a flood waits here instead of opening connections."""
    return ThreadPoolExecutor(settings.DATABASE_THREADS, thread_name_prefix="database")
