"""Where Django's Chinese formats are not what people write: 1,000,000, as in English."""

from __future__ import annotations

NUMBER_GROUPING = 3
THOUSAND_SEPARATOR = ","
