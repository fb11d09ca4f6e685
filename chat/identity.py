"""A site's signed word about who its visitor is: a JSON Web Token, HS256, with a key of the tenant's. See PROTOCOL.md."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.db import connection
from django.utils import timezone

from chat.models import IdentityKey

logger = logging.getLogger(__name__)

LONGEST = timedelta(days=1)  # that one token may count
LONGEST_ACCOUNT, LONGEST_NAME = 200, 100
LAST_SECOND = 4_000_000_000  # of `exp`; a date can be made of it
OPTIONS: Any = {"require": ["sub", "exp"], "verify_exp": False, "verify_aud": False}


@dataclass(frozen=True)
class Identity:
    account: str  # the site's own id of the user
    until: datetime
    name: str = ""

    @property
    def is_current(self) -> bool:
        return self.until > timezone.now()


def read_identity(token: str) -> Identity | None:
    """None for nothing, and for what no key of this tenant's has signed. An expired one still says whose it was. Inside the schema."""
    if not token:
        return None
    for key in IdentityKey.objects.filter(is_enabled=True):
        try:
            return _identity(jwt.decode(token, key.secret, algorithms=["HS256"], options=OPTIONS))
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            continue
    schema = connection.schema_name  # type: ignore[attr-defined]
    logger.warning("%s: an identity was signed by none of its keys, or says nothing that counts", schema)
    return None


def sign(secret: str, account: str, until: datetime, name: str = "") -> str:
    return jwt.encode(
        {"sub": account, "exp": int(until.timestamp()), "name": name}, secret, algorithm="HS256"
    )


def new_secret() -> str:
    return secrets.token_urlsafe(48)


def _identity(claims: dict[str, Any]) -> Identity:
    """Raises ValueError."""
    account, end, name = claims["sub"], claims["exp"], claims.get("name") or ""
    if not (isinstance(account, str) and 0 < len(account) <= LONGEST_ACCOUNT and account.isprintable()):
        raise ValueError("no account")
    if type(end) not in (int, float) or not 0 < end < LAST_SECOND or not isinstance(name, str):
        raise ValueError("no end, or no name")
    until = min(datetime.fromtimestamp(end, UTC), timezone.now() + LONGEST)
    return Identity(account, until, "".join(filter(str.isprintable, name))[:LONGEST_NAME])
