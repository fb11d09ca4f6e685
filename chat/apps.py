from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from tenants.archive.rules import Rule


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Conversations")
    archive_rules = {
        "chat_pendingturn": Rule(unfinished="true", blank=("lease_until",)),
        "chat_effect": Rule(unfinished="done_at IS NULL AND failed_at IS NULL", blank=("lease_until",)),
    }
