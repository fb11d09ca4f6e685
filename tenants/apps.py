from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from tenants.archive.rules import Rule


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = _("Platform")
    archive_rules = {"tenants_schemastate": Rule(stays=True)}
