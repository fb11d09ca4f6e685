"""Collects what visitors and agents are told, in both languages, for `inference.packing`.

    python -m kefu.dev.own_words

Not to be run for every new text: what Redis holds was packed with the words of before, and is then read from the database instead.
"""

from __future__ import annotations

import re

from kefu.dev.environment import PROJECT

CATALOGUE = PROJECT / "kefu/locale/zh_Hans/LC_MESSAGES/django.po"
OWN_WORDS = PROJECT / "inference/own_words.txt"
# What is found nearer to the end takes fewer bits: last, what the bot says in nearly every conversation.
SAID_IN = (
    re.compile(r"chat/(?!admin|models|apps|webhooks|visitors|management)"),
    re.compile(
        r"inference/(apology|business|connectors|knowing|manners|moderation|opening|slots|anger|checking)\b"
    ),
)
# How a dialogue begins that waits for nothing much.
BEGINNINGS = ("[{},[]]", '[{"connector":"","slot":""},["', '[{"offer":"person"},[]]')


def own_words() -> str:
    """A text a line."""
    import polib

    entries = polib.pofile(str(CATALOGUE))
    texts = [
        text
        for place in SAID_IN
        for entry in entries
        if any(place.match(where) for where, _line in entry.occurrences)
        for text in (entry.msgid, entry.msgstr)
    ]
    return "\n".join(dict.fromkeys([*(" ".join(text.split()) for text in texts), *BEGINNINGS])) + "\n"


if __name__ == "__main__":
    OWN_WORDS.write_text(own_words(), "utf-8")
