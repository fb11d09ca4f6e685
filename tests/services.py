"""A pytest plugin that is loaded before the settings: real PostgreSQL and Redis in a throw-away folder, started when first asked for."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from kefu.dev import postgres, redis
from kefu.dev.translations import compile_translations

FOLDER = Path(tempfile.mkdtemp(prefix="kefu-tests-"))
os.environ.update(
    KEFU_DATA=str(FOLDER),
    KEFU_SECRET_KEY=secrets.token_urlsafe(48),
    KEFU_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
    KEFU_LLM_BASE_URL="",
    KEFU_LLM_VENDOR="other",
    KEFU_LOG_LEVEL="WARNING",
    DATABASE_URL=postgres.url(FOLDER / "postgres"),
    REDIS_URL=redis.fresh_url(),
)


@pytest.fixture(scope="session")
def services() -> Iterator[None]:
    compile_translations()
    postgres.start(FOLDER / "postgres", durable=False)
    redis.start(FOLDER / "redis", os.environ["REDIS_URL"])
    yield
    redis.stop(FOLDER / "redis")
    postgres.stop(FOLDER / "postgres")


def pytest_unconfigure() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
