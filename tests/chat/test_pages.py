"""What the pages' policies let them load, and how much there is to load."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from django.conf import settings
from django.test import Client

from tenants.models import Tenant

STATIC = settings.BASE_DIR / "static"
HEAVIEST = 60_000  # bytes, gzipped, of all that the panel loads


def directives(page: str) -> dict[str, list[str]]:
    policy = Client(HTTP_HOST="acme.localhost").get(page)["Content-Security-Policy"]
    return {name: sources for name, *sources in (part.split() for part in policy.split(";"))}


def test_the_panel_may_show_pictures_from_its_own_hands_and_run_nothing_from_there(acme: Tenant) -> None:
    policy = directives("/widget/v1/panel")
    assert policy["img-src"] == ["'self'", "data:", "blob:"]
    assert policy["script-src"] == policy["connect-src"] == ["'self'"]
    assert all("blob:" not in sources for name, sources in policy.items() if name != "img-src")


def test_the_panel_weighs_little() -> None:
    page = (settings.BASE_DIR / "templates/widget/panel.html").read_text()
    files = {STATIC / name for name in re.findall(r"static '([^']+)'", page)}
    assert len(files) > 5
    weight = sum(len(gzip.compress(file.read_bytes())) for file in with_imports(files))
    assert weight < HEAVIEST, f"{weight} bytes"


def with_imports(files: set[Path]) -> set[Path]:
    found: set[Path] = set()
    left = [*files]
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += [
                (file.parent / name).resolve() for name in re.findall(r'from "(\.[^"]+)"', file.read_text())
            ]
    return found
