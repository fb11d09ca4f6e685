"""A worker that lives but takes nothing from its queue is noticed; one whose hands are full is left alone."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from celery.worker import state
from django.conf import settings as django_settings
from django.test import Client
from prometheus_client import REGISTRY
from pytest_django import Settings

from chat import outbox
from chat.models import Effect, Webhook
from chat.webhooks import new_secret
from kefu import canary
from kefu.dev.redis import free_port
from tenants.context import inside
from tenants.models import Tenant
from tests.line import Line
from tests.product import wait_until
from tests.receiver import Receiver
from tests.workers import Worker

# The canary's own clock, so that a test need not wait for a minute
QUICK = "from kefu import canary; canary.EVERY = 0.3"
IMPATIENT = f"{QUICK}; canary.PATIENCE = 3.0; canary.FRESH = 3.0; canary.LAST = 1.0"
HOST = socket.gethostname()


@pytest.fixture(autouse=True)
def nobody_is_heard_at_first(services: None) -> None:
    nobody_is_heard()


def nobody_is_heard() -> None:
    with canary._redis() as redis:
        redis.delete(canary.KEY)


def heard(seconds_ago: float, *names: str) -> None:
    with canary._redis() as redis:
        now, _microseconds = redis.time()
        redis.zadd(canary.KEY, dict.fromkeys(names, now - seconds_ago))


def everybody() -> list[str]:
    return [f"{queue}@{HOST}" for queue in canary.EXPECTED]


def health() -> tuple[int, dict[str, object]]:
    response = Client(HTTP_HOST="localhost").get("/readyz")
    return response.status_code, response.json()


def test_it_serves_without_workers_and_says_so(db: None) -> None:
    heard(canary.STALE + 1, *everybody())
    heard(3, f"llm@{HOST}", "llm@other", "sweep@beat")
    status, report = health()
    assert (status, report["workers"]) == (200, "degraded")
    assert report["queues"]["llm"]["consuming"] == 2 and report["queues"]["work"]["consuming"] == 0
    assert report["queues"]["work"]["age"] >= canary.STALE
    assert HOST not in str(report)


def test_it_says_that_all_is_well(db: None) -> None:
    heard(3, *everybody())
    assert health()[1]["workers"] == "ok"


def test_it_says_nothing_of_workers_it_cannot_ask_about(db: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9"
    status, report = health()
    assert status == 503 and "workers" not in report
    assert canary.consumes("llm")


def test_it_tells_prometheus_the_age_of_the_youngest(settings: Settings) -> None:
    heard(50, "llm@old")
    heard(7, f"llm@{HOST}")

    def age(queue: str) -> float:
        return REGISTRY.get_sample_value("kefu_canary_age_seconds", {"queue": queue})

    assert 7 <= age("llm") < 50 and age("work") == float("inf")
    settings.REDIS_URL = "redis://127.0.0.1:9"
    assert str(age("llm")) == "nan"


def test_it_forgets_workers_that_are_gone_for_good() -> None:
    heard(canary.FORGOTTEN + 10, "llm@gone")
    canary.note("llm@here")
    assert list(canary.ages()) == ["llm@here"]


@pytest.mark.parametrize(("seconds", "code"), [(3, 0), (canary.STALE + 1, 1), (None, 1)])
def test_it_answers_a_containers_health_check(seconds: float | None, code: int) -> None:
    if seconds is not None:
        heard(seconds, f"work@{HOST}")
    heard(3, f"llm@{HOST}", "work@elsewhere")
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "kefu.canary", "work"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")


def test_it_counts_what_a_worker_holds_but_not_its_canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    class Request:
        def __init__(self, name: str) -> None:
            self.name = name

    names = ("chat.tasks.answer_turn", canary.TASK, "chat.tasks.answer_turn")
    monkeypatch.setattr(state, "requests", {n: Request(name) for n, name in enumerate(names)})
    assert canary._held() == 2


# --- Real workers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def line() -> Iterator[Line]:
    with Line(django_settings.REDIS_URL) as line:
        yield line


@pytest.fixture
def through(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """Workers that are started now reach Redis through the line."""
    monkeypatch.setenv("REDIS_URL", line.address)
    return line


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver("stall") as receiver:
        yield receiver


@pytest.fixture(scope="module")
def worker(receiver: Receiver, django_db_setup: None) -> Iterator[Worker]:
    """With one hand only, and a page of figures."""
    seen = {"KEFU_OUTBOUND_ALLOW": f"127.0.0.1:{receiver.port}", "KEFU_METRICS_PORT": str(free_port())}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in seen.items():
            patch.setenv(name, value)
        worker = Worker(f"llm@{HOST}", "llm,effects", size=1, setup=QUICK)
        with worker:
            worker.figures = int(seen["KEFU_METRICS_PORT"])
            yield worker


def test_it_notices_a_worker_that_stands_still(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "STALE", 3.0)
    wait_until(lambda: canary.consumes("llm"))
    worker.process.suspend()
    wait_until(lambda: not canary.consumes("llm"))
    assert worker.is_running()
    worker.process.resume()
    wait_until(lambda: canary.consumes("llm"))


def test_it_tells_prometheus_what_happens_in_a_worker(worker: Worker) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.figures}/metrics", timeout=10) as answer:
        assert b"kefu_first_token_seconds" in answer.read()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", worker.figures), 5):
        pass  # on loopback, and on one address of it


def test_it_leaves_a_worker_alone_whose_hands_are_full(
    worker: Worker, receiver: Receiver, live_acme: Tenant
) -> None:
    with inside(live_acme):
        webhook = Webhook.objects.create(name="slow", url=receiver.url, secret=new_secret())
        outbox.record(Effect.Kind.WEBHOOK, str(webhook.pk), {})
        wait_until(lambda: receiver.requests)
        nobody_is_heard()
        wait_until(lambda: canary.consumes("llm"))
        receiver.leaving.set()
        Effect.objects.all().delete()
        webhook.delete()


def test_it_notices_a_worker_whose_line_to_redis_is_silent(
    through: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "STALE", 3.0)
    with Worker(f"work@{HOST}", "work", pool="prefork", size=1, setup=IMPATIENT) as worker:
        wait_until(lambda: canary.consumes("work"))
        through.flows.clear()
        wait_until(lambda: not canary.consumes("work"))
        assert worker.is_running()  # it cannot tell its own silence from that of Redis
        through.flows.set()


def test_it_ends_a_worker_that_no_longer_consumes(through: Line) -> None:
    with Worker(f"work@{HOST}", "work", pool="prefork", size=1, setup=IMPATIENT) as worker:
        wait_until(lambda: canary.consumes("work"))
        through.freeze_what_is_open()
        wait_until(lambda: not worker.is_running())
        assert "takes no tasks" in worker.log.read_text()
