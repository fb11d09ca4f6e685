"""Celery tasks that belong to a tenant."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from celery import current_app, shared_task
from kombu.exceptions import OperationalError as BrokerError

from tenants.context import inside
from tenants.models import Tenant
from tenants.registry import tenant_of_schema

logger = logging.getLogger(__name__)

BEHIND = 30  # seconds until a task looks again whether its tenant has been migrated

P = ParamSpec("P")
T = TypeVar("T")


_postman = ThreadPoolExecutor(1, thread_name_prefix="postman")


def post(task: str, *args: Any, queue: str) -> None:
    """Puts a task onto a queue, from a thread of its own: a Redis that hangs must not hold up who only wanted to say something.

    Only for what a sweeper sends again: a queue that does not take it is logged, and no more.
    """
    _postman.submit(_post, task, args, queue)


def _post(task: str, args: tuple[Any, ...], queue: str) -> None:
    try:
        current_app.send_task(task, args, queue=queue, retry=False)
    except BrokerError:
        logger.warning("Queue %s did not take %s; the sweeper will send it again", queue, task)


class NoTenant(Exception):
    """A task was sent without a tenant, or for one that does not exist."""


def tenant_task(**options: Any) -> Callable[[Callable[Concatenate[Tenant, P], T]], Any]:
    """A Celery task whose first argument on the wire is a schema name; its body gets the Tenant, inside that schema.

    Fails closed: no tenant, no work. A suspended tenant's tasks are dropped; those of a tenant that is being migrated wait.
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
            if not tenant.is_migrated:
                raise task.retry(countdown=BEHIND, max_retries=sys.maxsize)
            with inside(tenant):
                return function(tenant, *args, **kwargs)

        return task

    return decorate
