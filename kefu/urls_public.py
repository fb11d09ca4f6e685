"""The platform's own host: its admin, health and metrics."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog

from kefu import health
from tenants.admin_sites import platform_site

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("favicon.ico", RedirectView.as_view(url="/static/console/favicon.svg")),
    path("admin/", platform_site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("jsi18n/", JavaScriptCatalog.as_view(packages=["kefu"]), name="javascript-catalog"),
    path("healthz", health.alive),
    path("readyz", health.ready, name="ready"),
    path("", include("django_prometheus.urls")),
]
