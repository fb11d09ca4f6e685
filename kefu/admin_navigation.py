"""The admin's side bar and titles: a tenant's on its own hosts, the platform's on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from chat.models import Case, Conversation
from tenants.admin_sites import tenant_of

Text = Any  # a lazy translation
Item = tuple[Text, str, str, str]  # title, symbol, address (a URL's name), permission

TENANT: tuple[tuple[Text, tuple[Item, ...]], ...] = (
    (
        "",
        (
            (_("Today"), "space_dashboard", "admin:index", ""),
            (_("Agents' console"), "headset_mic", "console", ""),
        ),
    ),
    (
        _("What was said"),
        (
            (_("Conversations"), "forum", "admin:chat_conversation_changelist", "chat.view_conversation"),
            (_("Visitors"), "badge", "admin:chat_visitor_changelist", "chat.view_visitor"),
            (_("Complaints"), "report", "admin:chat_case_changelist", "chat.view_case"),
            (_("Feedback"), "thumbs_up_down", "admin:chat_feedback_changelist", "chat.view_feedback"),
        ),
    ),
    (
        _("What the bot knows"),
        (
            (_("Entries"), "quiz", "admin:knowledge_entry_changelist", "knowledge.view_entry"),
            (_("Documents"), "description", "admin:knowledge_document_changelist", "knowledge.view_document"),
            (
                _("Knowledge bases"),
                "library_books",
                "admin:knowledge_knowledgebase_changelist",
                "knowledge.view_knowledgebase",
            ),
            (_("Hit test"), "manage_search", "admin-hit-test", "knowledge.view_entry"),
        ),
    ),
    (
        _("What the bot understands"),
        (
            (_("Intents"), "psychology", "admin:inference_intent_changelist", "inference.view_intent"),
            (
                _("Trained models"),
                "model_training",
                "admin:inference_intentmodel_changelist",
                "inference.view_intentmodel",
            ),
            (_("Connectors"), "cable", "admin:inference_connector_changelist", "inference.view_connector"),
            (
                _("Sensitive words"),
                "block",
                "admin:inference_sensitiveword_changelist",
                "inference.view_sensitiveword",
            ),
            (_("Test a sentence"), "spellcheck", "admin-test-sentence", "inference.view_sensitiveword"),
        ),
    ),
    (
        _("How it works"),
        (
            (_("Policy"), "tune", "admin:tenants_policy_changelist", "tenants.view_policy"),
            (_("Put it on a page"), "code", "admin-embed", "tenants.view_policy"),
            (
                _("Logged-in visitors"),
                "verified_user",
                "admin:chat_identitykey_changelist",
                "chat.view_identitykey",
            ),
            (_("Providers"), "smart_toy", "admin:inference_provider_changelist", "inference.view_provider"),
            (_("Webhooks"), "webhook", "admin:chat_webhook_changelist", "chat.view_webhook"),
            (_("Deliveries"), "outbox", "admin:chat_effect_changelist", "chat.view_effect"),
        ),
    ),
    (
        _("People"),
        (
            (_("Agents"), "support_agent", "admin:chat_agent_changelist", "chat.view_agent"),
            (_("Teams"), "groups", "admin:chat_team_changelist", "chat.view_team"),
            (_("Canned replies"), "quickreply", "admin:chat_cannedreply_changelist", "chat.view_cannedreply"),
            (_("Logins"), "person", "admin:auth_user_changelist", "auth.view_user"),
            (_("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
        ),
    ),
)
PLATFORM: tuple[tuple[Text, tuple[Item, ...]], ...] = (
    (
        "",
        (
            (_("Overview"), "space_dashboard", "admin:index", ""),
            (_("Tenants"), "domain", "admin:tenants_tenant_changelist", "tenants.view_tenant"),
            (_("Plans"), "inventory_2", "admin:tenants_plan_changelist", "tenants.view_plan"),
            (_("Platform staff"), "admin_panel_settings", "admin:auth_user_changelist", "auth.view_user"),
        ),
    ),
    (
        _("Operation"),
        (
            (_("Health"), "monitor_heart", "ready", ""),
            (_("Metrics"), "monitoring", "prometheus-django-metrics", ""),
        ),
    ),
)


def is_platform(request: HttpRequest) -> bool:
    return tenant_of(request).schema_name == "public"


def site_title(request: HttpRequest) -> str:
    return tenant_of(request).name


def site_subheader(request: HttpRequest) -> Text:
    return _("Platform") if is_platform(request) else _("Customer service")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    groups = PLATFORM if is_platform(request) else TENANT
    shown = [
        {"title": title, "items": _items(request, items), "separator": bool(title)} for title, items in groups
    ]
    return [group for group in shown if group["items"]]


def _items(request: HttpRequest, items: tuple[Item, ...]) -> list[dict[str, Any]]:
    user = cast(User, request.user)
    return [
        {"title": title, "icon": symbol, "link": reverse(address), **_badge(address)}
        for title, symbol, address, permission in items
        if not permission or user.has_perm(permission)
    ]


def _badge(address: str) -> dict[str, Any]:
    count = COUNTED[address]() if address in COUNTED else 0
    return {"badge": count, "badge_variant": "danger"} if count else {}


COUNTED: dict[str, Callable[[], int]] = {
    "admin:chat_conversation_changelist": lambda: Conversation.objects.filter(state="waiting").count(),
    "admin:chat_case_changelist": lambda: Case.objects.filter(is_settled=False).count(),
}
