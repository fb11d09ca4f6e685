"""The product as outsiders meet it: a real web process and a real worker on the tests' own database, with a scripted model."""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from django.test import Client

from chat.models import Agent
from inference.models import Provider, SensitiveWord
from kefu.dev.processes import end, last_lines, start_server
from kefu.dev.redis import free_port
from knowledge.indexing import index_entries
from knowledge.models import Entry, KnowledgeBase
from tenants import actions
from tenants.context import inside, outside
from tenants.models import Policy, Tenant
from tests.chat.client import Place, Socket, Visitor, agent_socket, of
from tests.chat.desk import make_quiet
from tests.conftest import make_agent
from tests.model_server import ModelServer
from tests.product import wait_until
from tests.services import FOLDER
from tests.tenants.conftest import manage

ENDING = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
WEB = ("kefu.web",)
WORKER = (
    "celery",
    "-A",
    "kefu",
    "worker",
    "-Q",
    "llm",
    "-P",
    "threads",
    "-c",
    "8",
    "--without-mingle",
    "--without-gossip",
)


@pytest.fixture(scope="session")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def port(django_db_setup: None, model: ModelServer) -> Iterator[int]:
    """Of the web process; a worker runs beside it. Both end with the tests."""
    with mock.patch.dict(os.environ, KEFU_OUTBOUND_ALLOW=model.place):
        yield from _processes()


def _processes() -> Iterator[int]:
    worker = start_server((sys.executable, "-m", *WORKER), FOLDER / "worker.log", signal.SIGTERM)
    with web_process("web") as (port, _pid):
        yield port
    end(worker.pid, ENDING)


@contextmanager
def web_process(name: str, command: tuple[str, ...] = WEB) -> Iterator[tuple[int, int]]:
    """(port, process number) of a web process that lives as long as the block, or until somebody ends it."""
    port, log = free_port(), FOLDER / f"{name}.log"
    process = start_server((sys.executable, "-m", *command, "--port", str(port)), log, signal.SIGTERM)
    _wait_for(f"http://127.0.0.1:{port}/healthz", log)
    yield port, process.pid
    end(process.pid, ENDING)
    process.wait()


def _wait_for(address: str, log: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(last_lines(log))


@pytest.fixture(scope="module")
def companies(port: int, model: ModelServer, django_db_blocker: object) -> Iterator[None]:
    """Acme knows about returns and has a model; Globex knows nothing of all that."""
    with django_db_blocker.unblock():
        tenants = list(Tenant.objects.filter(schema_name__in=("acme", "globex")).order_by("schema_name"))
        with outside():
            Policy.objects.update(sessions_per_hour=10_000)
        with inside(tenants[0]):
            _teach(model)
        for tenant in tenants:
            actions.touch(tenant)
        wait_until(lambda: _is_known(port))
    yield
    with django_db_blocker.unblock():
        with outside():
            Policy.objects.update(sessions_per_hour=600)
        with inside(tenants[0]):
            for kind in (KnowledgeBase, SensitiveWord, Provider):
                kind.objects.all().delete()
        for tenant in tenants:
            actions.touch(tenant)


def _teach(model: ModelServer) -> None:
    base = KnowledgeBase.objects.create(name="Returns")
    for question, answer, mode in (
        ("你们的退货政策是什么？", "七天无理由退货。", "verbatim"),
        ("电饭煲坏了能换吗", "七天内质量问题可以换货。", "situational"),
    ):
        Entry.objects.create(base=base, question=question, answer=answer, mode=mode, source_title="售后政策")
    index_entries()
    SensitiveWord.objects.create(word="迷药", action=SensitiveWord.Action.BLOCK)
    Provider.objects.create(name="scripted", base_url=model.url, model="asked")


def _is_known(port: int) -> bool:
    """Whether web process and worker answer from it by now: they may know for two seconds what the file of tests before this one left."""
    policy, rice_cooker = "你们的退货政策是什么？", "电饭煲坏了能换吗 [says:可以换。]"
    acme, globex = Place("acme.localhost", port), Place("globex.localhost", port)
    return (
        answer_to(policy, acme) == "七天无理由退货。"
        and answer_to(rice_cooker, acme) == "可以换。"
        and answer_to(rice_cooker, globex) != "可以换。"
    )


def answer_to(question: str, place: Place) -> str:
    visitor = Visitor(place)
    with visitor.socket() as socket:
        assert visitor.say(socket, question)["type"] == "ack"
        return str(socket.expect(of("bot"))["text"])


@pytest.fixture
def acme_place(companies: None, live_acme: Tenant, port: int) -> Place:
    return Place("acme.localhost", port)


@pytest.fixture
def globex_place(companies: None, live_globex: Tenant, port: int) -> Place:
    return Place("globex.localhost", port)


def login(tenant: Tenant, agent: Agent) -> str:
    """A session key, as the login page gives one."""
    client = Client()
    with inside(tenant):
        client.force_login(agent.user)
    return client.cookies["sessionid"].value


@pytest.fixture
def visitor(acme_place: Place) -> Visitor:
    """Vera's page."""
    return Visitor(acme_place)


@pytest.fixture
def tab(visitor: Visitor) -> Iterator[Socket]:
    with visitor.socket() as socket:
        yield socket


@pytest.fixture
def console(acme_place: Place, live_acme: Tenant) -> Iterator[Callable[[str], Socket]]:
    """`console("Ann")` is the console of a fresh agent of Acme of that name, after its hello."""
    opened: list[Socket] = []

    def opens(name: str) -> Socket:
        with inside(live_acme):
            agent = make_agent(name)
        opened.append(agent_socket(acme_place, login(live_acme, agent)))
        return opened[-1]

    yield opens
    for socket in opened:
        socket.line.close()


@pytest.fixture
def quiet(in_acme: Tenant) -> Tenant:
    """Acme, where nobody is there and nobody waits."""
    make_quiet()
    return in_acme


@pytest.fixture
def assigns(quiet: Tenant) -> Tenant:
    """Acme, where visitors go to the agent with the most room."""
    quiet.policy.assignment = Policy.Assignment.LEAST_BUSY
    return quiet


@contextmanager
def suspended(tenant: Tenant, visitor: Visitor) -> Iterator[None]:
    """For as long as the block; the processes know again afterwards that this visitor is served."""
    assert manage("suspend", tenant.schema_name, "--yes").code == 0
    try:
        yield
    finally:
        assert manage("resume", tenant.schema_name).code == 0
        wait_until(lambda: visitor.history()[0] == 200)
