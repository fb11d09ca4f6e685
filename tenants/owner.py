"""Whether this process takes the database owner's login, if there is one (tenants.roles): programs say so before settings are read."""

from __future__ import annotations

is_at_work = False
