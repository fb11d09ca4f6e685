"""Visitors write to agents who have taken them over: committed, acknowledged, delivered. Beside it the load generator alone, and a
plain build of the same work."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.bench import measure, tables
from tests.bench.measure import Outcome
from tests.bench.plain.start import plain
from tests.bench.plan import Plan
from tests.bench.stage import HOST, People, Server, Stage, bare, company, people, port, running, stage, web

if TYPE_CHECKING:
    from tenants.models import Tenant

VISITORS_AN_AGENT = 10
ECHO, KEFU, PLAIN = "generator alone (echo)", "Kefu", "plain Channels build"


def main(*arguments: str) -> int:
    parser = measure.options("messages")
    parser.add_argument("--no-plain", action="store_true", help="leave the plain build out")
    measure.profiles(parser)
    told = parser.parse_args(arguments)
    with stage() as here:
        outcomes = {ECHO: echo(here, told), KEFU: of_kefu(here, company(), told)}
        if not told.no_plain:
            outcomes[PLAIN] = of_plain(here, told)
    tables.show_outcomes(f"{told.visitors} visitors, each with one message under way", outcomes)
    tables.show_shares(outcomes[KEFU])
    if PLAIN in outcomes and outcomes[PLAIN].rate:
        tables.console.print(
            f"Kefu does {outcomes[KEFU].rate / outcomes[PLAIN].rate:.1f} times the plain build."
        )
    return tables.exit_code(outcomes[ECHO], outcomes[KEFU])


def echo(here: Stage, told: Namespace) -> Outcome:
    """What the load generator can do: behind the same server, a loop that sends back what it gets."""
    server = bare("tests.bench.probe:app", here.folder, port(), "echo")
    nobody = [("", str(number)) for number in range(told.visitors)]
    with running(server):
        plan = Plan(HOST, server.port, visitors=nobody, echo=True, **measure.timing(told))
        return measure.measure(here.folder, plan, {"web": server.pid})


def of_kefu(here: Stage, tenant: Tenant, told: Namespace) -> Outcome:
    """With people of its own: it may be called again."""
    cast, server = people(tenant, told.visitors, agents_for(told.visitors)), web(here, port())
    with running(server):
        profiled = "web" if told.profile else ""
        return talk(here, told, cast, [server], here.database, "acme.chat_message", profiled)


def of_plain(here: Stage, told: Namespace) -> Outcome:
    agents = agents_for(told.visitors)
    build = plain(here.folder, here.database, here.redis, visitors=told.visitors, agents=agents)
    with running(build.server):
        return talk(here, told, build.people, [build.server], build.database, "plain_message")


def talk(
    here: Stage,
    told: Namespace,
    cast: People,
    servers: Sequence[Server],
    database: str,
    table: str,
    profiled: str = "",
) -> Outcome:
    """The first of `servers` is the visitors', the last the agents'."""
    first, last = servers[0], servers[-1]
    plan = Plan(
        HOST, first.port, last.port, visitors=cast.visitors, agents=cast.agents, **measure.timing(told)
    )
    processes = {"web": first.pid, **here.services} | ({} if first is last else {"agents' web": last.pid})
    outcome = measure.measure(here.folder, plan, processes, profiled=profiled)
    measure.compare(outcome, plan, database, table)
    return outcome


def agents_for(visitors: int) -> int:
    return max(1, visitors // VISITORS_AN_AGENT)
