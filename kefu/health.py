"""Whether this process lives, and whether the product can serve."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis import Redis, RedisError

from kefu import canary
from tenants import registry
from tenants.names import PUBLIC


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """503 as long as the database or Redis does not answer, or the platform's own tables are not what this code needs.

    Workers that are away, and tenants that are behind with their migrations, make it say so; the others are served.
    """
    parts = {"database": _database(), "redis": _redis()}
    report: dict[str, Any] = {name: "ok" if works else "down" for name, works in parts.items()}
    if parts["database"]:
        behind = registry.behind()
        parts["tables"] = PUBLIC not in behind and registry.tenant_of_schema(PUBLIC) is not None
        report["tables"] = "ok" if parts["tables"] else "behind"
        report["tenants"] = {"behind": len(behind)} if behind else "ok"
    report |= _workers() if parts["redis"] else {}
    if not settings.LIMITS:
        report["limits"] = "off"
    return JsonResponse(report, status=200 if all(parts.values()) else 503)


def _workers() -> dict[str, Any]:
    """Workers of each queue that consume, and the age in seconds of the last sign of any."""
    try:
        queues = canary.by_queue(canary.ages())
    except RedisError:
        return {}
    shown = {
        queue: {
            "consuming": sum(age < canary.STALE for age in ages),
            "age": round(ages[0], 1) if ages else None,
        }
        for queue, ages in queues.items()
    }
    well = all(queue["consuming"] for queue in shown.values())
    return {"workers": "ok" if well else "degraded", "queues": shown}


def queues(report: dict[str, Any]) -> list[dict[str, Any]]:
    """For people: who reads each queue, how long ago they were heard, and how much waits; None where Redis does not say."""
    names = report.get("queues", {})
    return [{"name": name, **names[name], "waiting": waiting} for name, waiting in _lengths(names).items()]


def _lengths(names: Iterable[str]) -> dict[str, int | None]:
    """Of the broker's lists; what a worker has taken and not finished is not in them. `sweep` is beat's sign of life, no queue."""
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as redis:
            return {name: None if name == "sweep" else cast(int, redis.llen(name)) for name in names}
    except RedisError:
        return dict.fromkeys(names)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis() -> bool:
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


canary.expose()
