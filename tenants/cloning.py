"""A schema made from another one, tables, rows and all, in the caller's transaction and two round trips.

PostgreSQL itself writes the statements (`pg_get_constraintdef` and its like). It leaves the schema off what `search_path` finds, so what
is read with the source on the path means the target with the target on it, and whatever lies in `public` stays there.
"""

from __future__ import annotations

from django.db import connection
from django.db.backends.utils import CursorWrapper

from kefu.errors import WrongState

# Each statement with its place: tables before what hangs on them, rows before keys and indexes, which are quicker to make at once.
STATEMENTS = """
WITH tables AS (
    SELECT oid, quote_ident(relname) AS name, reloptions
    FROM pg_class WHERE relnamespace = %(source)s::regnamespace AND relkind = 'r'
), columns AS (
    SELECT attrelid AS oid, string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names
    FROM pg_attribute JOIN tables ON attrelid = tables.oid
    WHERE attnum > 0 AND NOT attisdropped AND attgenerated = ''
    GROUP BY attrelid
), sequences AS (
    SELECT s.relname, tables.name, attname, attidentity, pg_sequence.*
    FROM pg_class AS s
    JOIN pg_sequence ON seqrelid = s.oid
    JOIN pg_depend ON objid = s.oid AND deptype = 'i' AND refobjsubid > 0
    JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
    JOIN tables ON tables.oid = attrelid
)
SELECT 1, name, format(
    'CREATE TABLE %%1$I.%%2$s (LIKE %%3$I.%%2$s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES EXCLUDING STATISTICS)',
    %(target)s::text, name, %(source)s::text
) || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') FROM tables
UNION ALL
SELECT 2, relname, format(
    'ALTER TABLE %%1$I.%%2$s ALTER %%3$I ADD GENERATED %%4$s AS IDENTITY (SEQUENCE NAME %%1$I.%%5$I'
    ' INCREMENT %%6$s MINVALUE %%7$s MAXVALUE %%8$s START %%9$s CACHE %%10$s %%11$s)',
    %(target)s::text, name, attname, CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
    relname, seqincrement, seqmin, seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END
) FROM sequences
UNION ALL
SELECT 3, name, format(
    'INSERT INTO %%1$I.%%2$s (%%3$s) OVERRIDING SYSTEM VALUE SELECT %%3$s FROM %%4$I.%%2$s',
    %(target)s::text, name, names, %(source)s::text
) FROM tables JOIN columns USING (oid)
UNION ALL
SELECT 4, relname, format(
    'SELECT setval(%%L, last_value, is_called) FROM %%I.%%I',
    format('%%I.%%I', %(target)s::text, relname), %(source)s::text, relname
) FROM sequences
UNION ALL
SELECT CASE contype WHEN 'f' THEN 7 ELSE 5 END, conname, format(
    'ALTER TABLE %%I.%%s ADD CONSTRAINT %%I %%s', %(target)s::text, name, conname, pg_get_constraintdef(c.oid)
) FROM pg_constraint AS c JOIN tables ON conrelid = tables.oid WHERE contype IN ('p', 'u', 'x', 'f')
UNION ALL
SELECT 6, indexrelid::text, pg_get_indexdef(indexrelid, 0, true)
FROM pg_index JOIN tables ON indrelid = tables.oid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
ORDER BY 1, 2
"""
# What the statements above do not know of: whoever needs one adds it there.
STRANGERS = """
SELECT 'relation ' || relname FROM pg_class
WHERE relnamespace = %(source)s::regnamespace AND relkind NOT IN ('r', 'i', 'S')
UNION ALL
SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = %(source)s::regnamespace
UNION ALL
SELECT 'type ' || typname FROM pg_type
WHERE typnamespace = %(source)s::regnamespace AND typrelid = 0 AND typelem = 0
UNION ALL
SELECT 'trigger ' || tgname FROM pg_trigger JOIN pg_class AS t ON t.oid = tgrelid
WHERE relnamespace = %(source)s::regnamespace AND NOT tgisinternal
UNION ALL
SELECT 'rule or policy of ' || relname FROM pg_class
WHERE relnamespace = %(source)s::regnamespace AND (relhasrules OR relrowsecurity)
UNION ALL
SELECT 'statistics ' || stxname FROM pg_statistic_ext WHERE stxnamespace = %(source)s::regnamespace
UNION ALL
SELECT 'sequence of no column ' || relname FROM pg_class AS sequence
WHERE relnamespace = %(source)s::regnamespace AND relkind = 'S'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = sequence.oid AND deptype = 'i')
"""


def clone(source: str, target: str) -> None:
    """Both are names that were checked. Inside a transaction, which undoes all of it."""
    names = {"source": source, "target": target}
    with connection.cursor() as cursor:
        cursor.execute(STRANGERS, names)
        if strangers := [name for (name,) in cursor.fetchall()]:
            raise WrongState(f"{source} has what a copy would lack: {', '.join(strangers)}")
        _look_at(cursor, source)
        cursor.execute(STATEMENTS, names)
        statements = [statement for _place, _name, statement in cursor.fetchall()]
        cursor.execute(f'CREATE SCHEMA "{target}"')
        _look_at(cursor, target)
        cursor.execute(";\n".join(statements))


def _look_at(cursor: CursorWrapper, schema: str) -> None:
    """Until the transaction ends, or the next cursor says where it looks."""
    cursor.execute("SELECT set_config('search_path', %s, true)", [f'"{schema}", public'])
