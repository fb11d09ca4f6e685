"""The two faces of the admin, a tenant's and the platform's, and what their pages have in common.

A login belongs to a schema, so neither face knows the other's people.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from unfold import decorators
from unfold.admin import ModelAdmin, TabularInline
from unfold.sites import UnfoldAdminSite

from tenants import actions
from tenants.logins import limited
from tenants.models import Tenant

View = Callable[..., HttpResponse]
Method = TypeVar("Method", bound=Callable[..., Any])


def display(**options: Any) -> Callable[[Method], Method]:
    """The theme's own decorator for columns, with a type."""
    return cast(Callable[[Method], Method], decorators.display(**options))


def action(**options: Any) -> Callable[[Method], Method]:
    return cast(Callable[[Method], Method], decorators.action(**options))


class Site(UnfoldAdminSite):  # type: ignore[misc]
    enable_nav_sidebar = True

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        # The theme's form sends no `next`, and the console is where logins go by default, also from a `next` that is not ours.
        if not _is_ours(request, request.GET.get(REDIRECT_FIELD_NAME, "")):
            return redirect(f"{request.path}?{REDIRECT_FIELD_NAME}={reverse('admin:index')}")
        response: HttpResponseBase = limited(super().login)(request, extra_context)
        return response

    def page(self, view: View, permission: str) -> View:
        """A page beside the models' own, for staff with `permission`."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not cast(User, request.user).has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        page: View = self.admin_view(checked)
        return page

    def context(self, request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
        return {**self.each_context(request), "title": title, **more}


# Both are called "admin": they are in different URLconfs, and the theme's templates know that name only.
tenant_site = Site("admin")
tenant_site.index_template = "admin/dashboard.html"
platform_site = Site("admin")
platform_site.index_template = "admin/platform.html"


def _is_ours(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())


def tenant_of(request: HttpRequest) -> Tenant:
    tenant: Tenant = request.tenant  # type: ignore[attr-defined]
    return tenant


def touch_later(request: HttpRequest) -> None:
    """Has every process load this tenant again, once what was changed is committed."""
    transaction.on_commit(partial(actions.touch, tenant_of(request)))


def link(name: str, *args: Any, text: object) -> SafeString:
    return format_html('<a class="kefu-link" href="{}">{}</a>', reverse(f"admin:{name}", args=args), text)


class Rows(ModelAdmin):  # type: ignore[misc]
    list_filter_submit = True
    list_fullwidth = True
    compressed_fields = True
    list_per_page = 50
    warn_unsaved_form = True
    text_lines = 5

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(db_field, models.TextField | models.JSONField):
            field.widget.attrs["rows"] = self.text_lines
        return field


class LiveRows(Rows):
    """Rows that processes keep in memory: any change moves the tenant's revision."""

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        touch_later(request)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        super().delete_model(request, obj)
        touch_later(request)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        touch_later(request)


class ReadOnlyRows(Rows):
    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class InlineRows(TabularInline):  # type: ignore[misc]
    extra = 0
