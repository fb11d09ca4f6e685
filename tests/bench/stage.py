"""What a bench plays on: PostgreSQL and Redis of its own, as durable as the product's, a company, its people, web processes.

Everything lives in a temporary folder and ends with the bench.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import randrange
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from kefu.dev import postgres, redis
from kefu.dev.processes import CannotStart, end, last_lines, start_server
from kefu.dev.programs import answers

if TYPE_CHECKING:
    from chat.models import Agent
    from tenants.models import Tenant

ENDING = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
WITHIN = 60.0  # seconds for a server to start
HOST = "acme.localhost"
PLENTY = 1_000_000_000  # of whatever a policy limits: everything is counted, and nothing is refused
COUNTED = ("_per_minute", "_per_hour", "_per_ten_seconds")


@dataclass(frozen=True)
class Stage:
    folder: Path
    database: str
    redis: str

    @property
    def services(self) -> dict[str, int]:
        """The process of each."""
        pids = {
            "postgres": postgres.running(self.folder / "postgres"),
            "redis": redis.running(self.folder / "redis"),
        }
        return {name: pid for name, pid in pids.items() if pid}


@dataclass(frozen=True)
class People:
    """Visitors as (token, conversation), agents as (cookie, conversations)."""

    visitors: list[tuple[str, str]]
    agents: list[tuple[str, list[str]]]


@contextmanager
def stage() -> Iterator[Stage]:
    """With the tables of the product, and no company yet. Django is set up in this process."""
    with tempfile.TemporaryDirectory(prefix="kefu-bench-") as name:
        folder = Path(name)
        try:
            here = Stage(folder, postgres.start(folder / "postgres"), redis.start(folder / "redis"))
            _set_up(here)
            yield here
        finally:
            redis.stop(folder / "redis")
            postgres.stop(folder / "postgres")


def _set_up(here: Stage) -> None:
    for name in [name for name in os.environ if name.startswith("KEFU_")]:
        del os.environ[name]
    os.environ.update(
        DJANGO_SETTINGS_MODULE="kefu.settings",
        DATABASE_URL=here.database,
        REDIS_URL=here.redis,
        KEFU_DATA=str(here.folder),
        KEFU_SECRET_KEY=secrets.token_urlsafe(48),
        KEFU_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
        KEFU_LOG_LEVEL="WARNING",
    )
    import django

    django.setup()
    from tenants import actions, fleet

    fleet.migrate()
    actions.add_platform(["localhost"])


def company(schema: str = "acme", *, demo: bool = False) -> Tenant:
    """One whose limits nobody meets, at `schema`.localhost; with `demo` it knows all that the demo company of that name knows."""
    from kefu.demo import seeding
    from tenants import actions
    from tenants.context import inside

    policy = dict.fromkeys(_limits(), PLENTY)
    tenant = actions.add(schema, schema.title(), [host_of(schema)], policy=policy)
    with inside(tenant):
        for step in seeding.STEPS if demo else ():
            step(schema, "")
    actions.touch(tenant)
    return tenant


def host_of(schema: str) -> str:
    return f"{schema}.localhost"


def _limits() -> list[str]:
    from tenants.models import Policy

    names = [field.name for field in Policy._meta.fields]
    return [name for name in names if name.startswith("sockets_per_") or name.endswith(COUNTED)]


def people(tenant: Tenant, visitors: int, agents: int = 0) -> People:
    """New ones, each visitor with a conversation; where there are agents, they have taken them over, in turn."""
    from django.db import transaction

    from chat import access, actions
    from tenants.context import inside

    with inside(tenant), transaction.atomic():
        staff = [_agent(number) for number in range(agents)]
        chats = [actions.start_session(None, "zh-hans", {}) for _ in range(visitors)]
        for number, (_visitor, conversation) in enumerate(chats if staff else ()):
            actions.take_over(staff[number % agents], conversation.pk)
        cookies = [_cookie(agent) for agent in staff]
    known = [(access.visitor_token(tenant, visitor), str(conversation.pk)) for visitor, conversation in chats]
    watched = [[conversation for _token, conversation in known[number::agents]] for number in range(agents)]
    return People(known, list(zip(cookies, watched, strict=True)))


def _agent(number: int) -> Agent:
    from django.contrib.auth.models import User

    from chat.models import Agent

    user = User.objects.create(username=f"agent-{uuid.uuid4().hex}")
    return Agent.objects.create(user=user, name=f"Agent {number}")


def _cookie(agent: Agent) -> str:
    """As the login page sets it."""
    from django.test import Client

    client = Client()
    client.force_login(agent.user)
    return client.cookies["sessionid"].value


# --- Servers ----------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A process that listens. Started by its first `start`, ended by `stop`, and the other way round as often as one likes."""

    name: str
    port: int
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[[], bool]
    pid: int = 0

    def start(self) -> None:
        """Raises CannotStart."""
        start_together(self)

    def stop(self) -> None:
        if self.pid:
            end(self.pid, ENDING)
            self.pid = 0


def start_together(*servers: Server) -> None:
    """Raises CannotStart."""
    begun = [(server, start_server(server.command, server.log, signal.SIGKILL)) for server in servers]
    deadline = time.monotonic() + WITHIN
    for server, process in begun:
        server.pid = process.pid
    for server, process in begun:
        while not server.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{server.name} did not start:\n{last_lines(server.log)}")
            time.sleep(0.02)


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    try:
        start_together(*servers)
        yield
    finally:
        for server in servers:
            server.stop()


def port() -> int:
    """A free one that the system gives to no outgoing connection: a server that is started again finds it free again."""
    return next(number for number in iter(lambda: randrange(15_000, 30_000), 0) if redis.port_is_free(number))


def web(here: Stage, port: int, name: str = "web") -> Server:
    command = (sys.executable, "-m", "kefu.web", "--port", str(port))
    return Server(name, port, command, here.folder / f"{name}.log", partial(answers, port, "/readyz"))


def bare(app: str, here: Path, port: int, name: str) -> Server:
    """`app` behind the same server with the same options as the product."""
    command = (sys.executable, "-m", "tests.bench.serve", app, "--port", str(port))
    return Server(name, port, command, here / f"{name}.log", partial(listens, port))


def listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
