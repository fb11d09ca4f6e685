"""Secrets at rest: a text column that is ciphertext in the database and plain text on the model instance."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Encrypted with the first of KEFU_ENCRYPTION_KEYS, readable with any of them, so that keys can be rotated.

    Raises cryptography.fernet.InvalidToken where no key fits.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return encrypted(text) if text else text

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypted(value) if value else value


def encrypted(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypted(token: str) -> str:
    return _fernet().decrypt(token).decode()


@cache
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
