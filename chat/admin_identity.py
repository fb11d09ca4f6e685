"""The keys by which a company's site vouches for who is logged in there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from chat.identity import new_secret
from chat.models import IdentityKey
from tenants.admin_sites import Rows, tenant_site

MOST = 10  # keys: each may have to be tried


@admin.register(IdentityKey, site=tenant_site)
class IdentityKeyAdmin(Rows):
    list_display = ("name", "created_at", "is_enabled")
    list_editable = ("is_enabled",)
    fields = ("name", "is_enabled")
    list_before_template = "admin/parts/identity_keys.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and IdentityKey.objects.count() < MOST

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.secret = obj.secret or new_secret()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: IdentityKey, post_url_continue: Any = None
    ) -> HttpResponse:
        context = tenant_site.context(request, str(obj), opts=self.opts, key=obj)
        return render(request, "admin/identity_key.html", context)
