"""Every line of the log says whose it is: the schema that whoever wrote it was working for, and nothing about people."""

from __future__ import annotations

import logging
from contextvars import ContextVar

# Follows a socket or a request across its tasks and threads, where a connection's schema does not.
working_for: ContextVar[str] = ContextVar("working_for", default="public")


class WithSchema(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.schema = working_for.get()
        return True
