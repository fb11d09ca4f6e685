"""Django-tenants' database backend, which fails closed.

Its `SET search_path` before each query may fail, and the query then runs all the same: in the schema that the connection was in before,
which is public's or the neighbour's. Here nothing runs in a schema that was not entered. And none is entered twice: since version 18
PostgreSQL tells its clients `search_path` whenever it changes, by a rollback, too, so what a connection says of itself can be trusted.
"""

from __future__ import annotations

from typing import Any

from django.db import OperationalError
from django_tenants.postgresql_backend import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    _setting_search_path: bool

    def _handle_search_path(self, cursor: Any = None) -> None:
        if self._setting_search_path or self._has_entered():  # by us, further up
            return
        try:
            with self.wrap_database_errors:
                super()._handle_search_path(cursor)
        finally:
            self._setting_search_path = (
                False  # left behind when no cursor could be had: nothing would be set ever after
            )
        if self.search_path_set_schemas is None and not self._takes_only_rollbacks():
            raise OperationalError(f"The schema {self.schema_name} could not be entered")

    def _has_entered(self) -> bool:
        """Names that PostgreSQL quotes look different, and are entered each time."""
        told = self.connection.pgconn.parameter_status(b"search_path")
        return bool(told) and told.decode() == ", ".join(self._get_cursor_search_paths())

    def _takes_only_rollbacks(self) -> bool:
        """After an error in a transaction PostgreSQL itself refuses whatever could read or write."""
        return bool(self.connection.info.transaction_status == TransactionStatus.INERROR)
