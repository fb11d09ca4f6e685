"""The ASGI servers side by side: first what they get right, shown with a small application that tells; then how fast they are."""

from __future__ import annotations

import importlib.util
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from time import monotonic, sleep
from typing import TYPE_CHECKING

import psutil

from kefu.dev.processes import CannotStart, last_lines
from kefu.web import OPTIONS
from tests.bench import measure, tables
from tests.bench.caller import PATIENCE, Caller, ask
from tests.bench.measure import Outcome
from tests.bench.messages import agents_for, talk
from tests.bench.plan import Plan
from tests.bench.stage import HOST, Server, Stage, company, listens, people, port, running, stage
from tests.bench.wire import CONTINUED, PING, TEXT, close_frame, frame

if TYPE_CHECKING:
    from tenants.models import Tenant

PROBE, PRODUCT = "tests.bench.probe:app", "kefu.asgi:application"
LIMIT: int = OPTIONS["ws_max_size"]
FLAT = 32 * 1024 * 1024  # bytes that a server may keep for a client that does not read
MOST = 256 * 1024 * 1024  # bytes that such a client sends
UVICORN = ("uvicorn", "tests.bench.serve", "{app}", "--port", "{port}", "--http", "httptools")
DAPHNE_LIMITS = ("--websocket-max-message-size", str(LIMIT), "--websocket-max-frame-size", str(LIMIT))
# By name: the package, and what to start.
SERVERS: dict[str, tuple[str, ...]] = {
    "kefu.web": ("uvicorn", "tests.bench.serve", "{app}", "--port", "{port}"),
    "uvicorn sansio": (*UVICORN, "--ws", "websockets-sansio"),
    "uvicorn websockets": (*UVICORN, "--ws", "websockets"),
    "uvicorn wsproto": ("wsproto", *UVICORN[1:], "--ws", "wsproto"),
    "daphne": ("daphne", "daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "0", *DAPHNE_LIMITS, "{app}"),
    "granian": (
        *("granian", "granian", "--interface", "asginl", "--port", "{port}", "--no-log"),
        *("--backlog", "4096", "--backpressure", "65536"),  # the second is how many sockets may be open
        "{app}",
    ),
}


def main(*arguments: str) -> int:
    parser = measure.options("servers", seconds=3.0, runs=3)
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=list(SERVERS))
    told = parser.parse_args(arguments)
    names = [name for name in told.only if importlib.util.find_spec(SERVERS[name][0])]
    with stage() as here:
        columns = {name: examine(here, name, told) for name in names}
        tenant = company()
        for name in names:
            columns[name]["messages/s of Kefu, CPU of each"] = product(here, name, tenant, told)
    titles = [f"{name}\n{version(SERVERS[name][0])}" for name in names]
    rows = [(question, *(columns[name][question] for name in names)) for question in columns[names[0]]]
    tables.show("ASGI servers, with the versions of their packages", ("", *titles), rows)
    for name in told.only:
        if name not in names:
            tables.console.print(f"{name}: the package {SERVERS[name][0]} is not installed")
    return int(any(answer.startswith("no") for answer in columns[names[0]].values()))


def examine(here: Stage, name: str, told: Namespace) -> dict[str, str]:
    """Each question with a server of its own: what one does to it must not show in the next."""
    answers = {}
    for question, check in CHECKS.items():
        server = started(here, name, PROBE)
        try:
            with running(server):
                answers[question] = check(server)
        except (OSError, CannotStart) as error:
            answers[question] = f"no: {type(error).__name__}"
    for sockets in (100, 1000):
        answers[f"echoes/s with {sockets:,} sockets, CPU of each"] = echo(here, name, sockets, told)
    return answers


def started(here: Stage, name: str, app: str) -> Server:
    number = port()
    _package, *words = SERVERS[name]
    command = (sys.executable, "-m", *(word.format(app=app, port=number) for word in words))
    return Server(name, number, command, here.folder / "server.log", partial(listens, number))


# --- What they get right ----------------------------------------------------------------------------------------------


def passes_close_code_on(server: Server) -> str:
    with Caller(server.port, "/close?code=4001") as caller:
        return verdict(caller.closed(), 4001)


def takes_the_limit(server: Server) -> str:
    with Caller(server.port, "/echo") as caller:
        caller.send(frame(b"x" * LIMIT))
        return "yes" if caller.next() == (TEXT, b"x" * LIMIT) else "no"


def refuses_a_big_frame(server: Server) -> str:
    with Caller(server.port, "/echo") as caller:
        return verdict(sent_and_closed(caller, frame(b"x" * (LIMIT + 1))), 1009)


def refuses_a_big_message(server: Server) -> str:
    """In fragments, of which none is too big, and none the last."""
    piece = LIMIT // 16
    more = frame(b"x" * piece, CONTINUED, last=False)
    with Caller(server.port, "/echo") as caller:
        return verdict(sent_and_closed(caller, frame(b"x" * piece, last=False) + more * 16), 1009)


def sent_and_closed(caller: Caller, data: bytes) -> int:
    with suppress(ConnectionError):
        caller.send(data)
    return caller.closed()


def hears_a_close(server: Server) -> str:
    with Caller(server.port, "/echo?name=close") as caller:
        caller.send(close_frame(4321))
        caller.closed()
    return verdict(ending(server, "close"), 4321)


def hears_an_abort(server: Server) -> str:
    Caller(server.port, "/echo?name=abort").abort()
    return verdict(ending(server, "abort"), None)


def hears_its_own_close(server: Server) -> str:
    """An application that has closed a socket must still be told that it is over."""
    with Caller(server.port, "/close?code=4001&name=own") as caller:
        caller.closed()
    return verdict(ending(server, "own"), None)


def ending(server: Server, name: str) -> object:
    """How the application's socket of that name ended: a close code, or "never"."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if ends := ask(server.port, "/seen")["seen"].get(name):
            return ends[0]
        sleep(0.05)
    return "never"


def verdict(got: object, wanted: object) -> str:
    """`wanted` None: any code will do."""
    good = isinstance(got, int) if wanted is None else got == wanted
    return f"yes ({got})" if good else f"no: {got}"


def holds_back_an_application(server: Server) -> str:
    """Which sends without end to a client that does not read."""
    before, poured, quiet = memory(server), -1, 0
    with Caller(server.port, "/pour?name=slow"):
        while quiet < 5:
            sleep(0.2)
            now = ask(server.port, "/seen")["poured"].get("slow", 0)
            quiet, poured = (quiet + 1 if now == poured else 0), now
        return flat(memory(server) - before)


def holds_back_a_talker(server: Server, data: bytes = frame(b"x" * 4096)) -> str:
    """Who sends without end and does not read what comes back."""
    before, sent, many = memory(server), 0, data * (1 + 65_536 // len(data))
    with Caller(server.port, "/echo") as caller, suppress(OSError):
        caller.line.settimeout(1.0)
        while sent < MOST:
            sent += caller.line.send(many)
    return flat(memory(server) - before)


def memory(server: Server) -> int:
    top = psutil.Process(server.pid)
    return sum(process.memory_info().rss for process in (top, *top.children(recursive=True)))


def flat(grown: int) -> str:
    return f"{'yes' if grown < FLAT else 'no'} ({grown / 1024 / 1024:+.0f} MB)"


def says_goodbye(server: Server) -> str:
    """On SIGTERM, and ends."""
    with Caller(server.port, "/echo") as caller:
        process = psutil.Process(server.pid)
        process.send_signal(signal.SIGTERM)
        code = caller.closed()
    try:
        process.wait(15)
    except psutil.TimeoutExpired:
        return "no: does not end"
    return f"yes ({code})" if code in (1001, 1012) else f"no: {code}"


CHECKS: dict[str, Callable[[Server], str]] = {
    "the client gets the application's close code": passes_close_code_on,
    f"takes {LIMIT:,} bytes": takes_the_limit,
    "refuses a bigger frame (1009)": refuses_a_big_frame,
    "... and a bigger message in fragments (1009)": refuses_a_big_message,
    "the application hears that a client closed": hears_a_close,
    "... that a client is gone": hears_an_abort,
    "... that its own close is done": hears_its_own_close,
    "memory stays flat: the client does not read": holds_back_an_application,
    "... it sends, and does not read": holds_back_a_talker,
    "... it pings, and does not read": partial(holds_back_a_talker, data=frame(b"x" * 125, PING)),
    "on SIGTERM says goodbye (1001, 1012), ends": says_goodbye,
}

# --- How fast they are ------------------------------------------------------------------------------------------------


def echo(here: Stage, name: str, sockets: int, told: Namespace) -> str:
    nobody = [("", str(number)) for number in range(sockets)]
    server = started(here, name, PROBE)
    return tried(
        server,
        lambda: measure.measure(
            here.folder,
            Plan(HOST, server.port, visitors=nobody, echo=True, seconds=told.seconds, runs=1, warm_up=1.0),
            {"web": server.pid},
        ),
    )


def product(here: Stage, name: str, tenant: Tenant, told: Namespace) -> str:
    cast = people(tenant, told.visitors, agents_for(told.visitors))
    server = started(here, name, PRODUCT)
    return tried(server, lambda: talk(here, told, cast, [server], here.database, "acme.chat_message"))


def tried(server: Server, work: Callable[[], Outcome]) -> str:
    try:
        with running(server):
            outcome = work()
    except (CannotStart, RuntimeError):
        return f"no: {last_lines(server.log, 1)}"
    faults = f"no: {'; '.join(outcome.faults)}\n" if outcome.faults else ""
    return f"{faults}{outcome.rate:,.0f} ({outcome.microseconds('web'):.0f} µs)"
