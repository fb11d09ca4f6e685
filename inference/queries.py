"""What a connector's SQL may consist of: one SELECT over tables, with functions that only calculate.

That it can read nothing but the company's own tables is PostgreSQL's to enforce (`tenants.reader`). What is kept out here is what any login
may do: look into the catalogs, where all schemas have their names, and call functions that wait, lock, notify or fill the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

# A quoted name, a text, a slot, a name, or any other sign; comments and white space are nothing.
TOKENS = re.compile(
    r"""
    (?P<nothing>\s+ | --[^\n\r]* | /\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<text>'(?:[^']|'')*')
    | (?P<slot>%\([A-Za-z_][A-Za-z0-9_]*\)s)
    | (?P<name>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# With a bracket behind them these are no functions.
WORDS = frozenset(
    """
    all and any array as between by case cast distinct else except exists extract filter from group having
    ilike in intersect is join lateral like limit not null on or order over partition row select similar
    some then union using values when where with within
    """.split()  # noqa: SIM905
)
FUNCTIONS = frozenset(
    """
    abs age array_agg array_length array_to_string avg bool_and bool_or btrim cardinality ceil ceiling
    char_length coalesce concat concat_ws count cume_dist current_date date date_part date_trunc
    dense_rank extract first_value floor greatest initcap lag last_value lead least left length lower
    ltrim make_date max min mod nullif ntile nth_value now numeric percent_rank position power rank
    regexp_replace replace reverse right round row_number rtrim sign split_part sqrt starts_with
    string_agg strpos substr substring sum text to_char to_date to_number to_timestamp translate trim
    trunc upper varchar
    """.split()  # noqa: SIM905
)


class Forbidden(Exception):
    """The SQL is not of the kind that is run; the text says why."""


def checked(query: str) -> str:
    """The query as it can be put into brackets. Raises Forbidden."""
    query = query.strip().rstrip(";").rstrip()
    tokens = list(_tokens(query))
    for (kind, word), (next_kind, after) in zip(tokens, [*tokens[1:], ("end", "")], strict=True):
        if kind == "sign" and word in ";$\\\x00":
            raise Forbidden(_("“%(sign)s” may not be used.") % {"sign": word})
        if kind == "sign" and word == "/" and after == "*":
            raise Forbidden(_("A comment is not closed, or stands in another."))
        if kind not in ("name", "quoted"):
            continue
        if word.startswith(("pg_", "reg", "information_schema")) or next_kind == "glued":
            raise Forbidden(_("“%(word)s” may not be used.") % {"word": word})
        called = after == "(" and next_kind == "sign"
        if called and word not in FUNCTIONS and (kind == "quoted" or word not in WORDS):
            raise Forbidden(_("The function “%(word)s” may not be used.") % {"word": word})
    return query


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    """(kind, text as PostgreSQL reads it); "glued" is a quotation mark right behind a name, which makes a text of another kind of it."""
    before = ""
    for match in TOKENS.finditer(query):
        kind, text = str(match.lastgroup), match[0]
        behind = query[match.end() : match.end() + 1]
        if (kind in ("quoted", "text") and before == "name") or (text == "&" and behind in ("'", '"')):
            yield "glued", text
        elif kind == "quoted":
            yield kind, text[1:-1].replace('""', '"')
        elif kind != "nothing":
            yield kind, text.lower()
        before = kind
