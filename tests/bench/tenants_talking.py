"""The same number of visitors and agents, of one tenant and of ever more: what a message costs, and what a connection to the database
keeps in memory once it has written into every schema."""

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
    parser = measure.options("tenants-talking", visitors=500, warm_up=20.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 500], help="tenants")
    measure.profiles(parser)
    told = parser.parse_args(arguments)
    outcomes: dict[str, Outcome] = {}
    with stage() as here:
        made: list[str] = []
        for size in sorted(told.sizes):
            made += [company(f"company{number}").schema_name for number in range(len(made), size)]
            outcomes[f"{size:,} tenants"] = talk(here, made, told)
    tables.show_outcomes(f"{told.visitors} visitors, each with one message under way", outcomes)
    for outcome in outcomes.values():
        tables.show_shares(outcome)
    first = next(iter(outcomes.values()))
    for name, outcome in outcomes.items():
        tables.console.print(f"{name}: {cost(outcome) / cost(first):.2f} times the CPU of a message")
    return tables.exit_code(*outcomes.values())


def talk(here: Stage, schemas: list[str], told: Namespace) -> Outcome:
    from tenants.registry import tenant_of_schema

    staff = min(told.visitors, max(told.sizes))  # each of them has somebody to talk with
    visitors, agents = (max(1, number // len(schemas)) for number in (told.visitors, staff))
    casts = {schema: people(tenant_of_schema(schema), visitors, agents) for schema in schemas}
    server, backends = web(here, port()), Backends(here.services["postgres"])
    processes: dict[str, int] = {}
    used: list[float] = []  # seconds of CPU, when the talk began and when each run did

    def look() -> None:
        used.append(sum(map(measure.cpu_seconds, processes.values())))

    with running(server):
        processes |= {"web": server.pid, **here.services}
        plan = plan_of(casts, server.port, **measure.timing(told))
        when = {"connected": look, "begin": look, "end": backends.look}
        outcome = measure.measure(here.folder, plan, processes, when, "web" if told.profile else "")
    measure.compare(outcome, plan, here.database, messages_of(schemas))
    first = f"the first {told.warm_up:.0f} s took {used[1] - used[0]:.1f} s of CPU"
    tables.console.print(f"{len(schemas):,} tenants: {first}; {backends.about}")
    return outcome
