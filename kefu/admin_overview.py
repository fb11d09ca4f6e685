"""The first page of the admin: how today goes, and what the bot did not know."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat import spending
from chat.models import Conversation, Feedback, Message
from chat.transcript import MODES
from chat.usage import counted
from kefu import health
from kefu.admin_navigation import is_platform
from tenants import budgets, fleet, migrating, sizes, usage
from tenants.admin_sites import tenant_of
from tenants.budgets import budgets_of
from tenants.models import Tenant
from tenants.usage import estimated_share, quotas_of

UNKNOWN_SHOWN = 10
CONVERSATIONS = "admin:chat_conversation_changelist"


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    return context | (_platform(request) if is_platform(request) else _tenant(tenant_of(request)))


def _tenant(tenant: Tenant) -> dict[str, Any]:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "cards": _cards(midnight),
        "modes": _modes(midnight),
        "unknown": unknown_questions(),
        "quotas": quotas_of(tenant, counted(tenant)),
        "budgets": budgets_of(tenant),
        "visitor_day_tokens": tenant.policy.visitor_day_tokens,
        "visitors_near": spending.near(tenant, budgets.NEAR),
        "estimated": estimated_share(tenant),
    }


def _cards(since: datetime) -> list[dict[str, Any]]:
    # One query each: the states have an index of their own.
    rows = Conversation.objects.all()
    today = rows.filter(created_at__gte=since, last_seq__gt=0).count()
    waiting = rows.filter(state=Conversation.State.WAITING).count()
    served = rows.filter(state=Conversation.State.AGENT).count()
    thumbs = Feedback.objects.filter(created_at__gte=since).aggregate(
        up=models.Count("pk", filter=models.Q(score__gt=0)),
        down=models.Count("pk", filter=models.Q(score__lt=0)),
    )
    up_and_down = f"{thumbs['up']} / {thumbs['down']}"
    return [
        _card(_("Conversations today"), today, CONVERSATIONS),
        _card(
            _("Waiting now"),
            waiting,
            CONVERSATIONS,
            "?state__exact=waiting",
            alarm=waiting > 0,
        ),
        _card(_("With an agent now"), served, CONVERSATIONS, "?state__exact=agent"),
        _card(_("Thumbs up and down today"), up_and_down, "admin:chat_feedback_changelist"),
    ]


def _card(title: Any, value: object, address: str, query: str = "", *, alarm: bool = False) -> dict[str, Any]:
    return {"title": title, "value": value, "address": address, "query": query, "alarm": alarm}


def _modes(since: datetime) -> list[dict[str, Any]]:
    """How many answers of the bot were of each kind, most frequent first."""
    said = Message.objects.filter(sender_kind=Message.Sender.BOT, created_at__gte=since).exclude(mode="")
    counts = list(said.order_by().values_list("mode").annotate(n=models.Count("pk")).order_by("-n"))
    total = sum(count for _mode, count in counts)
    return [
        {"name": MODES.get(mode, mode), "count": count, "share": round(100 * count / total)}
        for mode, count in counts
    ]


def unknown_questions(limit: int = UNKNOWN_SHOWN) -> list[Any]:
    """The newest answers that said "I do not know", each with the visitor's question before it as `question`."""
    asked = Message.objects.filter(
        conversation=models.OuterRef("conversation"),
        seq__lt=models.OuterRef("seq"),
        sender_kind=Message.Sender.VISITOR,
    ).order_by("-seq")
    rows = Message.objects.filter(mode="unknown").annotate(question=models.Subquery(asked.values("text")[:1]))
    newest = rows.order_by("-pk").only("conversation", "created_at")[: 5 * limit]
    each_once = {row.question: row for row in reversed(newest)}  # asked again: the newest row stands for all
    return sorted(each_once.values(), key=lambda row: row.pk, reverse=True)[:limit]


def _platform(request: HttpRequest) -> dict[str, Any]:
    tenants = Tenant.objects.exclude(schema_name="public")
    counts = dict(tenants.order_by().values_list("status").annotate(n=models.Count("pk")))
    return {
        "active": counts.get(Tenant.Status.ACTIVE, 0),
        "suspended": counts.get(Tenant.Status.SUSPENDED, 0),
        "health": _health(request),
        "behind": _behind(tenants),
        "near": usage.near_a_limit(),
        "largest": sizes.largest(),
        "newest": tenants.select_related("plan").prefetch_related("domains").order_by("-created_at")[:10],
    }


def _behind(tenants: models.QuerySet[Tenant]) -> list[dict[str, Any]]:
    """Who is not served until they are migrated, and how the last try went."""
    behind = list(tenants.exclude(pk__in=migrating.migrated_tenants()))
    standings = fleet.standings() if behind else {}
    return [
        {"tenant": tenant, "state": fleet.STATES[standings[tenant.pk].state], "now": standings[tenant.pk]}
        for tenant in behind
    ]


def _health(request: HttpRequest) -> dict[str, Any]:
    report = json.loads(health.ready(request).content)
    return {
        "parts": {part: report[part] for part in ("database", "redis", "workers") if part in report},
        "queues": health.queues(report),
        "limits": report.get("limits", "on"),
    }
