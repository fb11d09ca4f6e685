"""How much of something one visitor, address or tenant may use, by the tenant's policy, in which 0 is no limit.

How often something happens is counted by tenants.counting for all processes together; open sockets are counted here, by each process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.filetypes import ends_of
from kefu.errors import BadFrame, Overloaded, RateLimited, TooLong
from tenants import counting
from tenants.addresses import network
from tenants.models import Tenant

MINUTE, HOUR, DAY = 60, 3600, 86_400


def spend(tenant: Tenant, uses: Mapping[str, int], seconds: int) -> None:
    """Counts one use of each, in order, up to the first that is used up: name the narrowest first, so that who floods uses up only
    their own. Raises RateLimited with the seconds to wait. For coroutines; does not wait for anything."""
    limited = {name: allowed for name, allowed in uses.items() if allowed}
    wait = ceil(counting.take(tenant.schema_name, limited, seconds))
    if wait and settings.LIMITS:
        raise RateLimited(
            _("That was a lot at once. Please wait %(seconds)d seconds.") % {"seconds": wait},
            retry_after=wait,
        )


def spend_message(tenant: Tenant, visitor: object, address: str) -> None:
    """One message, or what costs as much as one, of a visitor at an address."""
    policy = tenant.policy
    uses = {
        f"messages:{visitor}": policy.messages_per_minute,
        f"messages-from:{network(address)}": policy.address_messages_per_minute,
        "messages-in-all:": policy.tenant_messages_per_minute,
    }
    spend(tenant, uses, MINUTE)


def spend_session(tenant: Tenant, address: str) -> None:
    spend(tenant, {f"sessions:{network(address)}": tenant.policy.sessions_per_hour}, HOUR)


# --- Open sockets -----------------------------------------------------------------------------------------------------

_open: Counter[tuple[int, str]] = Counter()  # by tenant and who


@dataclass
class Seat:
    """A socket's place among the open ones of this process."""

    tenant: Tenant
    address: str
    taken: list[tuple[int, str]] = field(default_factory=list)

    def take(self, who: str, allowed: int) -> None:
        """Raises RateLimited where `who` has that many sockets open already."""
        key = (self.tenant.pk, who)
        if settings.LIMITS and allowed and _open[key] >= allowed:
            raise RateLimited(_("Too many connections are open."))
        _open[key] += 1
        self.taken.append(key)

    def take_as(self, who: str) -> None:
        """Once it is known whose socket this is, as in "visitor:UUID"."""
        self.take(who, self.tenant.policy.sockets_per_visitor)

    def leave(self) -> None:
        for key in self.taken:
            _open[key] -= 1
            if not _open[key]:
                del _open[key]
        self.taken.clear()


EVERYBODY = (0, "")
OTHER_FILES = 1000  # that this process needs beside its sockets: for requests, for the database, for Redis


def _room() -> int:
    files = getrlimit(RLIMIT_NOFILE)[0]
    most: int = settings.MAX_SOCKETS
    return most if files == RLIM_INFINITY else min(most, files - OTHER_FILES)


def enter(tenant: Tenant, address: str) -> Seat:
    """Who gets a seat must leave it. Raises RateLimited, or Overloaded where this process has no room for anybody."""
    if _open[EVERYBODY] >= _room():
        raise Overloaded(retry_after=5)
    seat = Seat(tenant, address)
    try:
        seat.take("everybody", tenant.policy.sockets_per_tenant)
        seat.take(f"address:{network(address)}", tenant.policy.sockets_per_address)
    except RateLimited:
        seat.leave()
        raise
    _open[EVERYBODY] += 1
    seat.taken.append(EVERYBODY)
    return seat


# --- Files ------------------------------------------------------------------------------------------------------------

MB = 2**20
TRANSFERS, ADDRESS_TRANSFERS = (
    500,
    100,
)  # files under way at once in this process: a tenant's, an address's


@contextmanager
def transfer(tenant: Tenant, address: str) -> Iterator[None]:
    """While a file comes in or goes out. Raises Overloaded where too many do."""
    seat = Seat(tenant, address)
    try:
        seat.take(f"transfers:{network(address)}", ADDRESS_TRANSFERS)
        seat.take("transfers", TRANSFERS)
    except RateLimited:
        seat.leave()
        raise Overloaded(_("Please try again in a moment."), retry_after=5) from None
    try:
        yield
    finally:
        seat.leave()


def uploads_frame(tenant: Tenant) -> dict[str, Any] | None:
    """What pages need to know before they offer to send files; None where there is nothing to offer."""
    policy = tenant.policy
    if not (policy.uploads and policy.upload_kinds):
        return None
    return {
        "max_bytes": largest_upload(tenant),
        "max_files": policy.files_per_message,
        "ends": ends_of(policy.upload_kinds),
    }


def largest_upload(tenant: Tenant) -> int:
    """Bytes."""
    policy = tenant.policy
    limits = (policy.upload_mb, policy.upload_mb_per_day, settings.MAX_UPLOAD_MB)
    return min(limit for limit in limits if limit) * MB


def spend_upload(tenant: Tenant, visitor: UUID, address: str, size: int) -> None:
    """One file of so many bytes. For threads: nobody gets a byte more than the policy allows, however many come at once.

    Raises RateLimited.
    """
    policy = tenant.policy
    by_whom = {
        f"uploads:{visitor}": policy.uploads_per_minute,
        f"uploads-from:{network(address)}": policy.address_uploads_per_minute,
    }
    _spend_now(tenant, {name: allowed for name, allowed in by_whom.items() if allowed}, MINUTE, 1)
    _spend_now(tenant, _of_the_day(tenant, visitor), DAY, size)


def take_back_upload(tenant: Tenant, visitor: UUID, size: int) -> None:
    """Bytes that did not come after all. For threads."""
    if settings.LIMITS:
        counting.give_back(tenant.schema_name, _of_the_day(tenant, visitor), DAY, size)


def _of_the_day(tenant: Tenant, visitor: UUID) -> dict[str, int]:
    allowed = tenant.policy.upload_mb_per_day * MB
    return {f"upload-bytes:{visitor}": allowed} if allowed else {}


def _spend_now(tenant: Tenant, names: dict[str, int], seconds: int, amount: int) -> None:
    if settings.LIMITS and names and (wait := counting.take_now(tenant.schema_name, names, seconds, amount)):
        raise RateLimited(
            _("That was a lot at once. Please wait %(time)s.") % {"time": _span(ceil(wait))},
            retry_after=ceil(wait),
        )


def _span(seconds: int) -> str:
    minutes = ceil(seconds / 60)
    if minutes <= 1:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    if minutes <= 90:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = ceil(minutes / 60)
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


# --- What is said -----------------------------------------------------------------------------------------------------


def checked_text(tenant: Tenant, text: str, files: Sequence[UUID] = ()) -> str:
    """The text without its outer spaces. Raises TooLong, or BadFrame where nothing is left and no file comes with it."""
    text = text.strip()
    if not (text or files) or "\x00" in text:
        raise BadFrame(_("A message needs some text or a file."))
    if len(files) > tenant.policy.files_per_message:
        raise TooLong(
            _("A message may have at most %(limit)d files.") % {"limit": tenant.policy.files_per_message}
        )
    if len(text) > tenant.policy.max_text:
        raise TooLong(
            _("A message may have at most %(limit)d characters.") % {"limit": tenant.policy.max_text}
        )
    return text
