"""The outbox's promise: what was recorded happens, once in effect, whatever happens to Redis and workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from chat import effects, outbox
from chat.models import Effect, Webhook
from chat.webhooks import new_secret
from tenants.context import inside
from tenants.models import Tenant
from tenants.redis import sync_redis
from tests.product import wait_until
from tests.receiver import Receiver
from tests.workers import Worker, everything_is_posted

WEBHOOK = Effect.Kind.WEBHOOK


def record(target: str = "7", **payload: Any) -> Effect:
    return outbox.record(WEBHOOK, target, payload)


def now(effect: Effect) -> Effect:
    return Effect.objects.get(pk=effect.pk)


def claimed(target: str = "7") -> Effect:
    effect = outbox.claim(WEBHOOK, target)
    assert effect
    return effect


def lease_ended(effect: Effect) -> None:
    Effect.objects.filter(pk=effect.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What comes of each try in turn; nothing more: it succeeds."""
    endings: list[Exception | None] = []

    def deliver(tenant: Tenant, effect: Effect) -> None:
        if endings and (error := endings.pop(0)):
            raise error

    monkeypatch.setitem(effects.KINDS, WEBHOOK, deliver)
    return endings


def test_it_records_nothing_of_what_was_rolled_back(in_acme: Tenant) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record()
        raise ZeroDivisionError
    assert not Effect.objects.exists()


def test_it_gives_an_effect_to_one_worker_only(in_acme: Tenant) -> None:
    effect = record()
    assert claimed().pk == effect.pk
    assert outbox.claim(WEBHOOK, "7") is None


def test_it_gives_an_effect_again_when_the_lease_has_ended(in_acme: Tenant) -> None:
    record()
    lease_ended(claimed())
    assert claimed().attempts == 2


def test_it_gives_the_oldest_first_and_none_of_another_target(in_acme: Tenant) -> None:
    first, second, _other = record(), record(), record("8")
    assert [claimed().pk, claimed().pk] == [first.pk, second.pk]
    assert outbox.claim(WEBHOOK, "7") is None


def test_it_keeps_few_tries_to_one_target_side_by_side(in_acme: Tenant) -> None:
    for _ in range(outbox.AT_ONCE + 1):
        record()
    record("8")
    held = [claimed() for _ in range(outbox.AT_ONCE)]
    assert outbox.claim(WEBHOOK, "7") is None
    assert outbox.claim(WEBHOOK, "8")
    outbox.finish(held[0])
    assert outbox.claim(WEBHOOK, "7")


def test_it_does_everything_that_is_due(in_acme: Tenant, script: list[Exception | None]) -> None:
    rows = [record() for _ in range(3)]
    effects.perform(in_acme.schema_name, WEBHOOK, "7")
    assert all(now(row).done_at and now(row).attempts == 1 for row in rows)


def test_it_tries_again_later_and_ever_later(in_acme: Tenant, script: list[Exception | None]) -> None:
    effect = record()
    waits = []
    for _ in range(3):
        script.append(outbox.NotDone("busy"))
        effects.attempt(in_acme, claimed())
        assert outbox.claim(WEBHOOK, "7") is None
        waits.append((now(effect).due_at - timezone.now()).total_seconds())
        Effect.objects.update(due_at=timezone.now())
    assert waits[0] < waits[1] / 2 < waits[2] / 4
    effects.perform(in_acme.schema_name, WEBHOOK, "7")
    assert now(effect).done_at and now(effect).last_error == ""


def test_it_spreads_the_tries_of_many() -> None:
    waits = {outbox.delay(2).total_seconds() for _ in range(50)}
    assert len(waits) > 25 and all(15 <= wait <= 25 for wait in waits)


def test_it_gives_up_after_eight_tries(in_acme: Tenant, script: list[Exception | None]) -> None:
    effect = record()
    for _ in range(outbox.TRIES):
        assert now(effect).failed_at is None
        script.append(outbox.NotDone("broken"))
        effects.attempt(in_acme, claimed())
        Effect.objects.update(due_at=timezone.now())
    assert now(effect).failed_at and now(effect).last_error == "broken"
    assert outbox.claim(WEBHOOK, "7") is None and outbox.resend_due() == 0


def test_it_gives_up_at_once_where_no_try_will_help(in_acme: Tenant, script: list[Exception | None]) -> None:
    effect = record()
    script.append(outbox.NotDone("no such mailbox", permanent=True))
    effects.attempt(in_acme, claimed())
    assert now(effect).failed_at and now(effect).attempts == 1


def test_it_gives_up_what_kills_its_workers(in_acme: Tenant, script: list[Exception | None]) -> None:
    effect = record()
    for _ in range(outbox.TRIES):
        lease_ended(claimed())
    effects.attempt(in_acme, claimed())
    assert now(effect).failed_at and not now(effect).done_at


def test_it_leaves_a_target_that_is_away_alone_for_a_while(
    in_acme: Tenant, script: list[Exception | None]
) -> None:
    record(), record(), record("8")
    script.append(outbox.NotDone("nobody listens", unreachable=True))
    effects.perform(in_acme.schema_name, WEBHOOK, "7")
    assert [effect.attempts for effect in Effect.objects.filter(target="7").order_by("due_at")] == [1, 0]
    assert outbox.claim(WEBHOOK, "8")


def test_it_does_the_others_where_one_is_refused(in_acme: Tenant, script: list[Exception | None]) -> None:
    refused, other = record(), record()
    script.append(outbox.NotDone("500"))
    effects.perform(in_acme.schema_name, WEBHOOK, "7")
    assert now(other).done_at and not now(refused).done_at


def test_it_believes_a_late_success_but_no_late_failure(in_acme: Tenant) -> None:
    effect = record()
    late = claimed()
    lease_ended(late)
    second = claimed()
    outbox.put_off(late, outbox.NotDone("late", permanent=True))
    assert now(effect).failed_at is None and now(effect).lease_until == second.lease_until
    outbox.finish(late)
    assert now(effect).done_at


def test_it_starts_given_up_ones_over_when_told_so(
    in_acme: Tenant, script: list[Exception | None], django_capture_on_commit_callbacks: Any
) -> None:
    effect, done = record(), record("8")
    script.append(outbox.NotDone("gone", permanent=True))
    effects.perform(in_acme.schema_name, WEBHOOK, "7")
    effects.perform(in_acme.schema_name, WEBHOOK, "8")
    finished = now(done).done_at
    with django_capture_on_commit_callbacks() as told:
        assert outbox.try_again(Effect.objects.all()) == 1
    assert len(told) == 1
    effects.perform(in_acme.schema_name, WEBHOOK, "7")
    assert now(effect).done_at and now(effect).attempts == 1 and now(done).done_at == finished


def test_it_forgets_what_is_over_and_old(in_acme: Tenant) -> None:
    rows = [record(str(n)) for n in range(5)]
    old = timezone.now() - outbox.KEPT_FAILED - timedelta(days=1)
    Effect.objects.exclude(pk=rows[4].pk).update(created_at=old)
    Effect.objects.filter(pk=rows[0].pk).update(done_at=old)
    Effect.objects.filter(pk=rows[1].pk).update(failed_at=old)
    Effect.objects.filter(pk=rows[2].pk).update(failed_at=timezone.now())
    Effect.objects.filter(pk=rows[4].pk).update(done_at=timezone.now())
    effects.tidy()
    assert {row.target for row in Effect.objects.all()} == {"2", "3", "4"}


def test_it_sends_again_what_is_due_and_nothing_of_a_neighbour(in_acme: Tenant, globex: Tenant) -> None:
    running, later, due, twice = record("1"), record("2"), record("3"), record("3")
    claimed("1")
    Effect.objects.filter(pk=later.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    assert outbox.resend_due() == 1
    with inside(globex):
        assert outbox.resend_due() == 0 and outbox.claim(WEBHOOK, "3") is None
    assert {claimed("3").pk, claimed("3").pk} == {due.pk, twice.pk} and now(running).attempts == 1


# --- Real workers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def webhook(live_acme: Tenant) -> Iterator[Webhook]:
    with inside(live_acme):
        yield Webhook.objects.create(name="crm", url="http://unset.invalid", secret=new_secret())
        Effect.objects.all().delete()
        Webhook.objects.all().delete()


def test_it_lets_no_two_workers_at_once_have_the_same(live_acme: Tenant, webhook: Webhook) -> None:
    rows = [record() for _ in range(outbox.AT_ONCE)]

    def claim(_: int) -> Effect | None:
        with inside(live_acme):
            try:
                return outbox.claim(WEBHOOK, "7")
            finally:
                connection.close()

    with ThreadPoolExecutor(8) as threads:
        got = [effect.pk for effect in threads.map(claim, range(16)) if effect]
    assert sorted(got) == sorted(row.pk for row in rows)


@pytest.mark.slow
def test_it_survives_a_flushed_redis_and_a_killed_worker(
    live_acme: Tenant, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver("stall", "200") as receiver:
        monkeypatch.setenv("KEFU_OUTBOUND_ALLOW", f"127.0.0.1:{receiver.port}")
        Webhook.objects.filter(pk=webhook.pk).update(url=receiver.url)
        effect = record(str(webhook.pk), type="test")
        everything_is_posted()
        sync_redis().flushdb()
        with Worker("first", "effects") as worker:
            assert outbox.resend_due() == 1
            wait_until(lambda: len(receiver.requests) == 1)
            worker.kill()
        assert now(effect).done_at is None and outbox.resend_due() == 0
        lease_ended(effect)
        assert outbox.resend_due() == outbox.resend_due() == 1  # told twice, it acts once
        with Worker("second", "effects"):
            wait_until(lambda: now(effect).done_at)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert json.loads(second.body) == {"type": "test"} and now(effect).attempts == 2
