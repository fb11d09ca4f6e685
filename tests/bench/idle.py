"""Thousands of visitors who only have the page open: what a connection costs, how those fare who write meanwhile, and how long it takes
until everybody is back when the web processes have been restarted."""

from __future__ import annotations

import resource
from argparse import Namespace
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

import psutil

from kefu.web import allow_many_sockets
from tests.bench import measure, tables
from tests.bench.measure import Outcome
from tests.bench.messages import agents_for
from tests.bench.plan import Plan
from tests.bench.stage import HOST, Server, company, people, port, running, stage, start_together, web

if TYPE_CHECKING:
    from tenants.models import Tenant

RESERVE = 1_200  # files of a web process that are no visitors': see chat.limits
AN_ADDRESS = 5_000  # connections from one address of loopback, which has some 28,000 ports


@dataclass
class Diary:
    """What happened to the web processes, as the load generator went along."""

    servers: list[Server]
    services: dict[str, int]  # processes
    began: float = field(default_factory=monotonic)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)  # RSS and USS in bytes
    all_in: float = 0.0  # seconds
    all_in_cpu: Counter[str] = field(default_factory=Counter)  # seconds of CPU of each process
    back_cpu: Counter[str] = field(default_factory=Counter)
    stopping: float = 0.0
    away: float = 0.0

    def __post_init__(self) -> None:
        self.note_memory("empty")
        self.empty_cpu = self.cpu()

    def cpu(self) -> Counter[str]:
        used = Counter({name: measure.cpu_seconds(pid) for name, pid in self.services.items()})
        used["web"] = sum(measure.cpu_seconds(server.pid) for server in self.servers)
        return used

    def note_memory(self, when: str) -> None:
        about = [psutil.Process(server.pid).memory_full_info() for server in self.servers]
        self.memory[when] = sum(one.rss for one in about), sum(one.uss for one in about)

    def note_all_in(self) -> None:
        self.all_in = monotonic() - self.began
        self.all_in_cpu = self.cpu() - self.empty_cpu
        self.note_memory("connected")

    def restart(self) -> None:
        self.note_memory("measured")
        began, before = monotonic(), self.cpu()
        with ThreadPoolExecutor() as at_once:
            [*at_once.map(Server.stop, self.servers)]
        self.stopping = monotonic() - began
        start_together(*self.servers)
        self.away = monotonic() - began
        self.gone_cpu = before
        self.gone_cpu["web"] = self.empty_cpu["web"]  # what it takes to start

    def note_all_back(self) -> None:
        self.back_cpu = self.cpu() - self.gone_cpu

    def kilobytes(self, when: str, connections: int) -> str:
        each = [
            (after - before) / connections / 1024
            for before, after in zip(self.memory["empty"], self.memory[when], strict=True)
        ]
        return f"{each[0]:.1f} (USS {each[1]:.1f})"


def milliseconds(cpu: Counter[str], connections: int) -> str:
    names = ("web", "postgres", "redis")
    return " / ".join(f"{cpu[name] * 1000 / connections:.2f}" for name in names)


def main(*arguments: str) -> int:
    parser = measure.options("idle", seconds=20.0, runs=1)
    parser.add_argument("--idle", type=int, default=20_000, help="connections that only stay")
    parser.add_argument("--processes", type=int, default=2, help="of the web, on as many cores")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second of those who write")
    parser.add_argument(
        "--spread", type=float, default=3.0, help="seconds over which clients come back (the widget: 3)"
    )
    told = parser.parse_args(arguments)
    wanted, told.idle = told.idle, min(told.idle, most_files() - told.visitors - RESERVE)
    ports = [port() for _ in range(told.processes)]
    with stage() as here:
        plan = plan_for(company(), told, ports)
        servers = [web(here, one, f"web {number}") for number, one in enumerate(ports, 1)]
        with running(*servers):
            diary = Diary(servers, here.services)
            when = {
                "connected": diary.note_all_in,
                "measured": diary.restart,
                "back": diary.note_all_back,
            }
            processes = {server.name: server.pid for server in servers}
            outcome = measure.measure(here.folder, plan, processes | here.services, when)
        measure.compare(outcome, plan, here.database, "acme.chat_message")
    title = f"{told.idle:,} idle visitors, {told.visitors} who write {told.rate:,.0f} messages a second"
    if told.idle < wanted:
        title += f" (a process may have no more than {most_files():,} files here)"
    tables.show(title, ("", "figure"), figures(plan, diary, outcome).items())
    return tables.exit_code(outcome)


def plan_for(tenant: Tenant, told: Namespace, ports: list[int]) -> Plan:
    cast, sleepers = people(tenant, told.visitors, agents_for(told.visitors)), people(tenant, told.idle)
    return Plan(
        HOST,
        ports[0],
        more_ports=ports[1:],
        visitors=cast.visitors,
        idle=sleepers.visitors,
        agents=cast.agents,
        rate=told.rate,
        restart=True,
        spread=told.spread,
        sources=[f"127.0.0.{number + 2}" for number in range(told.idle // AN_ADDRESS + 1)],
        **measure.timing(told),
    )


def figures(plan: Plan, diary: Diary, outcome: Outcome) -> dict[str, str]:
    connections, back = len(plan.idle) + len(plan.visitors) + len(plan.agents), outcome.events["back"]
    closes = [f"{code} ({number:,})" for code, number in outcome.result["closes"].items()]
    return {
        "connections": f"{connections:,}",
        "web processes": str(len(diary.servers)),
        "until all were in, s": f"{diary.all_in:.1f}",
        "... CPU of web / PostgreSQL / Redis for each, ms": milliseconds(diary.all_in_cpu, connections),
        "memory of the web processes for each, KB": diary.kilobytes("connected", connections),
        "... after the runs": diary.kilobytes("measured", connections),
        "ack, p50 / p99, ms": tables.latency(outcome, "ack"),
        "delivery to the agent, p50 / p99, ms": tables.latency(outcome, "delivery"),
        "web processes, cores": f"{sum(outcome.cores(server.name) for server in diary.servers):.2f}",
        "others on this machine, cores": f"{outcome.cores('others'):.2f}",
        "web processes away for their restart, s": f"{diary.away:.1f} (to stop {diary.stopping:.1f})",
        "half of all were back after, s": f"{back['half']:.1f}",
        "all were back after, s": f"{back['last']:.1f}",
        "... CPU of the same for each, messages included, ms": milliseconds(diary.back_cpu, connections),
        "longest wait for an ack over the restart, s": f"{back['ack_ms']['most'] / 1000:.1f}",
        "lines closed with": ", ".join(closes),
        "faults": "; ".join(outcome.faults) or "none",
    }


def most_files() -> int:
    allow_many_sockets()
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
