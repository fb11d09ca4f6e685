"""Fills a fresh installation for a run: `python -m tests.faults.cast` prints {tenant: {agent's name: [number, session key]}}."""

from __future__ import annotations

import json
import os
import sys

from tenants import owner
from tests.faults.evidence import CANARIES

AGENTS = {"acme": ("Ann", "Bob", "Cat"), "globex": ("Gus", "Gil", "Gwen")}


def quick_question(tenant: str) -> str:
    """Answered by the web process itself."""
    return f"{CANARIES[tenant]}: may I return what I bought?"


def slow_question(tenant: str) -> str:
    """Answered by a worker, whose model takes a second for it."""
    return f"{CANARIES[tenant]}: is a broken rice cooker exchanged? [slow]"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    owner.is_at_work = True
    import django

    django.setup()
    from tenants import actions, fleet
    from tenants.context import inside

    fleet.migrate()
    actions.add_platform(["localhost", "127.0.0.1"])
    made = {}
    for schema, names in AGENTS.items():
        tenant = actions.add(schema, schema.title(), [f"{schema}.localhost"])
        with inside(tenant):
            teach(schema)
            made[schema] = {name: agent(name) for name in names}
        actions.touch(tenant)
    sys.stdout.write(json.dumps(made) + "\n")


def teach(schema: str) -> None:
    from knowledge.indexing import index_entries
    from knowledge.models import Entry, KnowledgeBase

    base = KnowledgeBase.objects.create(name="Returns")
    for question, mode in ((quick_question(schema), "verbatim"), (slow_question(schema), "situational")):
        answer = f"{CANARIES[schema]}: within seven days."
        Entry.objects.create(base=base, question=question, answer=answer, mode=mode, source_title="Returns")
    index_entries()


def agent(name: str) -> tuple[int, str]:
    """(number, key of a session as the console's login gives one)"""
    from django.contrib.auth.models import User
    from django.test import Client
    from django.utils import timezone

    from chat.models import Agent

    user = User.objects.create_user(name.lower(), password=name)
    row = Agent.objects.create(user=user, name=name, presence=Agent.Presence.ONLINE, seen_at=timezone.now())
    client = Client()
    client.force_login(user)
    return row.pk, client.cookies["sessionid"].value


if __name__ == "__main__":
    main()
