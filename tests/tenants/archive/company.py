"""Fills an installation: the demo companies with all they have, and what happens where people talk. Run as a process inside it."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta

from tenants import owner

CANARY = "sk-canary-9f3b1c7e"  # of a provider's key
WEBHOOK_CANARY = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
PASSWORD = "a-password-that-nobody-guesses"
NASTY = "tab\there, line\nbreak, back\\slash, \\N, \\., 'quote\", 问候 😀 \u200b"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    owner.is_at_work = True
    import django

    django.setup()
    from tenants import fleet

    fleet.migrate()
    if "--empty" in os.sys.argv:  # type: ignore[attr-defined]
        from kefu.dev.preparation import add_platform

        add_platform()
        return
    from kefu.demo.seeding import seed
    from tenants import registry
    from tenants.context import inside

    seed(PASSWORD)
    for schema in ("acme", "globex"):
        tenant = registry.tenant_of_schema(schema)
        assert tenant
        with inside(tenant):
            _talk()
            _connect()
            _work()


def _talk() -> None:
    from django.contrib.admin.models import LogEntry
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    from chat.models import Agent, Case, Conversation, Feedback, Message, Note, Visitor

    agent = Agent.objects.first()
    for number in range(5):
        visitor = Visitor.objects.create(name=f"Vera {number}", page={"url": "/", "title": NASTY})
        talk = Conversation.objects.create(visitor=visitor, last_seq=2, agent=agent, state="agent")
        asked = Message.objects.create(
            conversation=talk, seq=1, sender_kind="visitor", text=NASTY, client_id="a"
        )
        said = Message.objects.create(
            conversation=talk, seq=2, sender_kind="bot", text="好的", path={"rung": None}
        )
        Feedback.objects.create(message=said, score=-1)
        Note.objects.create(conversation=talk, n=1, agent=agent, text=NASTY)
        Case.objects.create(conversation=talk, text=asked.text)
    Case.objects.last().delete()  # the next case has a number all the same
    LogEntry.objects.log_actions(User.objects.first().pk, [visitor], 1)
    SessionStore().create()


def _connect() -> None:
    from chat.models import Webhook
    from inference.models import Provider

    Provider.objects.create(name="DeepSeek", base_url="https://api.example/v1", model="x", api_key=CANARY)
    Provider.objects.create(name="Local", base_url="http://127.0.0.1:1/v1", model="y")
    Webhook.objects.create(
        name="CRM", url="https://crm.example/hook", secret=WEBHOOK_CANARY, events=["message"]
    )


def _work() -> None:
    """One piece that is done, one that is to be done, one that somebody is at."""
    from django.utils import timezone

    from chat.models import Conversation, Effect, PendingTurn

    now = timezone.now()
    later = now + timedelta(hours=1)
    Effect.objects.create(kind="webhook", target="1", payload={"n": 1}, done_at=now)
    Effect.objects.create(kind="webhook", target="1", payload={"n": 2}, due_at=later)
    Effect.objects.create(kind="email", target="a@b.example", payload={}, lease_until=later)
    talk = Conversation.objects.first()
    PendingTurn.objects.create(
        id=uuid.uuid4(), conversation=talk, through_seq=1, epoch=1, sent_at=now, lease_until=later
    )


if __name__ == "__main__":
    main()
