from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

MODEL = "app_label = 'sessions' AND model = 'extranote'"
UNDO = f"""
ALTER TABLE "{{0}}".django_session DROP COLUMN IF EXISTS extra;
DROP TABLE IF EXISTS "{{0}}".sessions_extranote;
DELETE FROM "{{0}}".django_migrations WHERE app = 'sessions' AND name = '0002_note';
DELETE FROM "{{0}}".auth_permission
    WHERE content_type_id IN (SELECT id FROM "{{0}}".django_content_type WHERE {MODEL});
DELETE FROM "{{0}}".django_content_type WHERE {MODEL};
"""


def undo(schemas: Iterable[str]) -> None:
    """Takes from the schemas what the migration gave them."""
    for schema in schemas:
        with connection.cursor() as cursor:
            cursor.execute(UNDO.format(schema))
