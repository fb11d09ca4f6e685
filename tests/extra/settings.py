"""The product with an app more, whose one migration no schema has yet: what a new version brings."""

from __future__ import annotations

from kefu.settings import *  # noqa: F403
from kefu.settings import INSTALLED_APPS, TENANT_APPS

TENANT_APPS = [*TENANT_APPS, "tests.extra"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.extra"]
