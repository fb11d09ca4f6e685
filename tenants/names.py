"""What a tenant may be called: its schema, which reaches SQL, and its hosts, which decide whom a request belongs to.

The patterns are read by Python and by PostgreSQL, where they are constraints; in both, `$` has exceptions that `\\Z` has not.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

# Stricter than django-tenants, whose own pattern lets spaces and letters of any script through to SQL.
SCHEMA_NAME = r"^(?!pg_|information_schema)[a-z][a-z0-9_]{0,39}\Z"
PUBLIC = "public"
TEMPLATE = "_template"  # new tenants are copies of it; the pattern above makes sure that none has its name
RESERVED = {PUBLIC, "extensions", "template"}  # fine for SQL, but no tenant's

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# A last label of digits alone would be an address. `www.` is left off: it leads to the same tenant as the host without it.
HOST = rf"^(?!www\.)(?:(?:{LABEL}\.)*(?=[a-z0-9-]*[a-z]){LABEL}|(?:{NUMBER}\.){{3}}{NUMBER}|\[[0-9a-f:]{{2,39}}\])\Z"

check_schema_name = RegexValidator(
    SCHEMA_NAME,
    _(
        "A schema is at most 40 small letters, digits and underscores, begins with a letter, and not with pg_."
    ),
)
check_host = RegexValidator(HOST, _("A host such as help.shop.example, without https:// and without a port."))


def free_schema_name(name: str) -> str:
    """For a new tenant. Raises ValidationError."""
    check_schema_name(name)
    if name in RESERVED:
        raise ValidationError(_("This name is reserved."))
    return name


def clean_host(text: str) -> str:
    """As a Host header will say it, whatever its port: small letters, no `www.`, other scripts as `xn--`. Raises ValidationError."""
    host = text.strip().lower()
    if host.startswith("[") and host.endswith("]"):
        host = _ipv6(host[1:-1])
    else:
        try:
            host = host.encode("idna").decode().lower()
        except UnicodeError:
            raise ValidationError(check_host.message) from None
    host = host.removeprefix("www.")
    check_host(host)
    return host


def _ipv6(text: str) -> str:
    try:
        return f"[{IPv6Address(text).compressed}]"
    except AddressValueError:
        raise ValidationError(check_host.message) from None
