"""How much of something one visitor or address may use, by the tenant's policy."""

from __future__ import annotations

import logging
import time
from math import ceil

from django.conf import settings
from django.utils.translation import gettext as _
from redis import RedisError

from kefu.errors import BadFrame, RateLimited, TooLong
from tenants.models import Tenant
from tenants.redis import redis

logger = logging.getLogger(__name__)


async def spend(tenant: Tenant, what: str, who: str, allowed: int, seconds: int) -> None:
    """Counts one use in the current window of `seconds`. Raises RateLimited with the seconds until the window ends.

    A window's edge lets twice the allowance through at worst; that is close enough to keep a person from flooding.
    """
    if not settings.LIMITS:
        return
    window, passed = divmod(time.time(), seconds)
    key = f"kefu:{{{tenant.schema_name}}}:limit:{what}:{who}:{int(window)}"
    try:
        async with redis().pipeline(transaction=True) as commands:
            commands.incr(key)
            commands.expire(key, seconds)
            used, _expires = await commands.execute()
    except RedisError:
        logger.warning("Redis did not count %s; let through", what)
        return
    if used > allowed:
        retry_after = ceil(seconds - passed)
        raise RateLimited(
            _("That was a lot at once. Please wait %(seconds)d seconds.") % {"seconds": retry_after},
            retry_after=retry_after,
        )


def checked_text(tenant: Tenant, text: str) -> str:
    """The text without its outer spaces. Raises TooLong, or BadFrame where nothing is left."""
    text = text.strip()
    if not text or "\x00" in text:
        raise BadFrame(_("A message needs some text."))
    if len(text) > tenant.policy.max_text:
        raise TooLong(
            _("A message may have at most %(limit)d characters.") % {"limit": tenant.policy.max_text}
        )
    return text
