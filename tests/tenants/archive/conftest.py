from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from tests.tenants.archive import installation
from tests.tenants.archive.installation import Installation


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """What is refused is said in words that are looked for."""
    with translation.override("en"):
        yield


def _installation(*options: str) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="kefu-") as folder:
        here = installation.start(Path(folder))
        try:
            done = here.run("-m", "tests.tenants.archive.company", *options)
            assert done.returncode == 0, done.stdout + done.stderr
            yield here
        finally:
            installation.stop(here)


@pytest.fixture(scope="session")
def source() -> Iterator[Installation]:
    """Acme and Globex with all they have."""
    yield from _installation()


@pytest.fixture(scope="session")
def target() -> Iterator[Installation]:
    """With nobody in it."""
    yield from _installation("--empty")


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the first export that names it."""
    return tmp_path_factory.mktemp("key") / "archive.key"
