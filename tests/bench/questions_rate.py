"""Questions that the quick lane answers word for word from what the demo company has approved: as many as it can, and at a given rate."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from kefu.demo import content
from tests.bench import measure, tables
from tests.bench.measure import Outcome
from tests.bench.messages import ECHO, echo
from tests.bench.plan import Plan
from tests.bench.stage import HOST, Server, Stage, company, people, port, running, stage, web

if TYPE_CHECKING:
    from tenants.models import Tenant


def main(*arguments: str) -> int:
    parser = measure.options("questions-rate")
    parser.add_argument("--rate", type=float, default=1000.0, help="questions a second")
    measure.profiles(parser)
    told = parser.parse_args(arguments)
    with stage() as here:
        outcomes = {ECHO: echo(here, told)}
        tenant, server = company(demo=True), web(here, port())
        with running(server):
            outcomes["as many as go"] = ask(here, server, tenant, told, rate=0.0)
            outcomes[f"{told.rate:,.0f} a second"] = ask(here, server, tenant, told, rate=told.rate)
    tables.show_outcomes(
        f"{told.visitors} visitors, {len(questions())} questions; delivered: answered", outcomes
    )
    tables.show_shares(outcomes["as many as go"])
    return tables.exit_code(*outcomes.values())


def ask(here: Stage, server: Server, tenant: Tenant, told: Namespace, rate: float) -> Outcome:
    cast = people(tenant, told.visitors)
    plan = Plan(
        HOST,
        server.port,
        visitors=cast.visitors,
        texts=questions(),
        answers=True,
        rate=rate,
        **measure.timing(told),
    )
    profiled = "web" if told.profile else ""
    outcome = measure.measure(here.folder, plan, {"web": server.pid, **here.services}, profiled=profiled)
    measure.compare(outcome, plan, here.database, "acme.chat_message")
    return outcome


def questions() -> list[str]:
    """Those after which the bot goes on answering."""
    from inference.business import PERSON

    rows = content.read("acme", "entries")
    return [
        row["question"] for row in rows if row["mode"] == "verbatim" and not PERSON.search(row["question"])
    ]
