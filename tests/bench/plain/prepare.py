"""Makes the tables, and people as the load generator knows them, which it prints: `python -m tests.bench.plain.prepare 100 10`."""

from __future__ import annotations

import json
import sys
import uuid

import django
from django.core.management import call_command


def main(visitors: int, agents: int) -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command(
        "migrate", run_syncdb=True, interactive=False, verbosity=0
    )  # ours, which point to those above
    from django.contrib.auth.models import User
    from django.test import Client

    from tests.bench.plain.models import Conversation

    staff = [User.objects.create(username=f"agent-{uuid.uuid4().hex}") for _ in range(agents)]
    rows = Conversation.objects.bulk_create(
        Conversation(visitor_name=f"Visitor {number}", agent=staff[number % agents])
        for number in range(visitors)
    )
    cookies = []
    for user in staff:
        client = Client()
        client.force_login(user)
        cookies.append(client.cookies["sessionid"].value)
    print(
        json.dumps(
            {
                "visitors": [(str(row.token), str(row.pk)) for row in rows],
                "agents": [
                    (cookie, [str(row.pk) for row in rows[number::agents]])
                    for number, cookie in enumerate(cookies)
                ],
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
