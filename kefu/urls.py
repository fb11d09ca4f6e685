"""A tenant's own host: widget, console, admin, API."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog

from chat import pages
from chat.api import api
from kefu import admin_pages, health
from kefu.demo import views
from tenants.admin_sites import tenant_site
from tenants.logins import limited

urlpatterns = [
    path("", RedirectView.as_view(url="/demo/")),
    path("favicon.ico", RedirectView.as_view(url="/static/console/favicon.svg")),
    path(
        "admin/hit-test/",
        tenant_site.page(admin_pages.hit_test, "knowledge.view_entry"),
        name="admin-hit-test",
    ),
    path(
        "admin/test-sentence/",
        tenant_site.page(admin_pages.test_sentence, "inference.view_sensitiveword"),
        name="admin-test-sentence",
    ),
    path("admin/embed/", tenant_site.page(admin_pages.embed, "tenants.view_policy"), name="admin-embed"),
    path("admin/", tenant_site.urls),
    path("api/v1/", api.urls),
    path("console/", pages.console, name="console"),
    path("console/login/", limited(pages.ConsoleLogin.as_view()), name="console-login"),
    path("console/logout/", LogoutView.as_view(), name="console-logout"),
    path("demo/", views.page, name="demo"),
    path("demo/login/", views.login, name="demo-login"),
    path("demo/help/<slug:slug>", views.help_article, name="help"),
    path("widget/v1/loader.js", pages.loader, name="widget-loader"),
    path("widget/v1/panel", pages.panel, name="widget-panel"),
    path("i18n/", include("django.conf.urls.i18n")),
    path(
        "jsi18n/",
        pages.in_asked_language(JavaScriptCatalog.as_view(packages=["kefu"])),
        name="javascript-catalog",
    ),
    path("healthz", health.alive),
    path("readyz", health.ready),
]
