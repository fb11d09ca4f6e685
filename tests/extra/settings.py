from __future__ import annotations

from kefu.settings import *  # noqa: F403

MIGRATION_MODULES = {"sessions": "tests.extra.migrations"}
