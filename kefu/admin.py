"""Logins, on both faces of the admin."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from chat.admin_forms import NO_ROOM
from chat.models import Agent
from chat.usage import has_room_for_agents
from tenants.admin_sites import Rows, platform_site, tenant_site

POWERS = ("is_staff", "is_superuser", "groups")


class LoginForm(UserChangeForm):  # type: ignore[misc]
    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("is_active") and not self.instance.is_active:
            self._check_plan()
        return data

    def _check_plan(self) -> None:
        """Who comes back as an agent needs room in the tenant's plan; the platform's staff are nobody's agents."""
        tenant = connection.tenant  # type: ignore[attr-defined]
        if tenant.schema_name == "public" or not Agent.objects.filter(user=self.instance.pk).exists():
            return
        if not has_room_for_agents(tenant, 1):
            raise ValidationError(NO_ROOM)


class UserRows(Rows, DjangoUserAdmin):  # type: ignore[type-arg]
    """Who is no superuser can neither make one nor get hold of one's login."""

    form = LoginForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    add_fieldsets = (
        (None, {"fields": ("username", "password1", "password2")}),
    )  # the theme has its own, empty
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("What this login may do"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        rows: models.QuerySet[User] = super().get_queryset(request)
        return rows if _is_superuser(request) else rows.filter(is_superuser=False)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return self.readonly_fields if _is_superuser(request) else (*self.readonly_fields, *POWERS)


def _is_superuser(request: HttpRequest) -> bool:
    return cast(User, request.user).is_superuser


class GroupRows(Rows, DjangoGroupAdmin):
    """Only superusers hand out permissions: a group of one's own could be given all of them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _is_superuser(request)

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field and field.queryset is not None and db_field.name == "permissions":
            field.queryset = field.queryset.filter(content_type__app_label__in=GRANTED)
        return field


# What stands in the admin's side bar; the rest of Django's permissions means nothing here.
GRANTED = ("tenants", "knowledge", "inference", "chat", "auth")

tenant_site.register(User, UserRows)
tenant_site.register(Group, GroupRows)
platform_site.register(User, UserRows)
platform_site.register(Group, GroupRows)
