"""The same number of visitors, of one tenant and of ever more: what a message costs, and what a connection to the database keeps in memory
once it has written into every schema."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.bench import measure, tables
from tests.bench.casts import messages_of, plan_of
from tests.bench.measure import Outcome, cost
from tests.bench.stage import Stage, company, people, port, running, stage, web


@dataclass
class Backends:
    """The processes of the database that serve connections."""

    postgres: int
    bytes: list[int] = field(default_factory=list)  # of each, what it does not share

    def look(self) -> None:
        self.bytes = [_own(child) for child in psutil.Process(self.postgres).children() if _serves(child)]

    @property
    def about(self) -> str:
        largest, together = max(self.bytes) / 2**20, sum(self.bytes) / 2**20
        return f"{len(self.bytes)} connections, the largest {largest:.0f} MB, together {together:.0f} MB"


def _serves(process: psutil.Process) -> bool:
    """Their titles name user and database: "postgres: kefu kefu [local] idle"."""
    with suppress(psutil.Error):
        return "[local]" in " ".join(process.cmdline())
    return False


def _own(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_full_info().uss)
    return 0


def main(*arguments: str) -> int:
    parser = measure.options("tenants-talking", visitors=500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 500], help="tenants")
    told = parser.parse_args(arguments)
    outcomes: dict[str, Outcome] = {}
    with stage() as here:
        made: list[str] = []
        for size in sorted(told.sizes):
            made += [company(f"company{number}").schema_name for number in range(len(made), size)]
            outcomes[f"{size:,} tenants"] = talk(here, made, told)
    tables.show_outcomes(f"{told.visitors} visitors, each with one message under way", outcomes)
    first = next(iter(outcomes.values()))
    for name, outcome in outcomes.items():
        tables.console.print(f"{name}: {cost(outcome) / cost(first):.2f} times the CPU of a message")
    return tables.exit_code(*outcomes.values())


def talk(here: Stage, schemas: list[str], told: Namespace) -> Outcome:
    from tenants.registry import tenant_of_schema

    each = max(1, told.visitors // len(schemas))
    casts = {schema: people(tenant_of_schema(schema), each, agents=1) for schema in schemas}
    server, backends = web(here, port()), Backends(here.services["postgres"])
    with running(server):
        plan = plan_of(casts, server.port, **measure.timing(told))
        outcome = measure.measure(
            here.folder, plan, {"web": server.pid, **here.services}, {"end": backends.look}
        )
    measure.compare(outcome, plan, here.database, messages_of(schemas))
    tables.console.print(f"{len(schemas):,} tenants: {backends.about}")
    return outcome
