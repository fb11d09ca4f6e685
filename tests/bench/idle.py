"""Thousands of visitors who only have the page open: what a connection costs, how those fare who write meanwhile, and how long it takes
until everybody is back when the web process has been restarted."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from time import monotonic

import psutil

from kefu.dev.redis import free_port
from kefu.web import allow_many_sockets
from tests.bench import measure, tables
from tests.bench.load import Plan
from tests.bench.messages import agents_for
from tests.bench.stage import HOST, Server, company, people, running, stage, web

RESERVE = 600  # files of a process that are no visitors'
AN_ADDRESS = 5_000  # connections from one address of loopback, which has some 28,000 ports


@dataclass
class Diary:
    """What happened to the web process, as the load generator went along."""

    server: Server
    began: float = field(default_factory=monotonic)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)  # RSS and USS in bytes
    all_in: float = 0.0  # seconds
    away: float = 0.0

    def note_memory(self, when: str) -> None:
        about = psutil.Process(self.server.pid).memory_full_info()
        self.memory[when] = about.rss, about.uss

    def note_all_in(self) -> None:
        self.all_in = monotonic() - self.began
        self.note_memory("connected")

    def restart(self) -> None:
        self.note_memory("measured")
        began = monotonic()
        self.server.stop()
        self.server.start()
        self.away = monotonic() - began

    def kilobytes(self, when: str, connections: int) -> str:
        each = [
            (after - before) / connections / 1024
            for before, after in zip(self.memory["empty"], self.memory[when], strict=True)
        ]
        return f"{each[0]:.1f} (USS {each[1]:.1f})"


def main(*arguments: str) -> int:
    parser = measure.options("idle", seconds=20.0, runs=1)
    parser.add_argument("--idle", type=int, default=20_000, help="connections that only stay")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second of those who write")
    parser.add_argument(
        "--spread", type=float, default=3.0, help="seconds over which clients come back; the widget has 3"
    )
    told = parser.parse_args(arguments)
    idle = min(told.idle, most_files() - told.visitors - RESERVE)
    with stage() as here:
        tenant, server = company(), web(here, free_port())
        cast, sleepers = people(tenant, told.visitors, agents_for(told.visitors)), people(tenant, idle)
        plan = Plan(
            HOST,
            server.port,
            visitors=cast.visitors,
            idle=sleepers.visitors,
            agents=cast.agents,
            rate=told.rate,
            restart=True,
            spread=told.spread,
            sources=[f"127.0.0.{number + 2}" for number in range(idle // AN_ADDRESS + 1)],
            **measure.timing(told),
        )
        with running(server):
            diary = Diary(server)
            diary.note_memory("empty")
            when = {"connected": diary.note_all_in, "measured": diary.restart}
            outcome = measure.measure(here.folder, plan, {"web": server.pid, **here.services}, when)
        measure.compare(outcome, plan, here.database, "acme.chat_message")
    connections, back = idle + told.visitors + len(cast.agents), outcome.events["back"]
    rows = {
        "connections": f"{connections:,}",
        "until all were in, s": f"{diary.all_in:.1f}",
        "memory of the web process for each, KB": diary.kilobytes("connected", connections),
        f"... after {told.seconds:.0f} seconds": diary.kilobytes("measured", connections),
        "ack, p50 / p99, ms": tables.latency(outcome, "ack"),
        "delivery to the agent, p50 / p99, ms": tables.latency(outcome, "delivery"),
        "web process, cores": f"{outcome.cpu['web'] / sum(run['seconds'] for run in outcome.runs):.2f}",
        "others on this machine, cores": f"{outcome.others:.2f}",
        "web process away for its restart, s": f"{diary.away:.1f}",
        "half of all were back after, s": f"{back['half']:.1f}",
        "all were back after, s": f"{back['last']:.1f}",
        "longest wait for an ack over the restart, s": f"{back['ack_ms']['most'] / 1000:.1f}",
        "closed with": ", ".join(f"{code} ({number:,})" for code, number in outcome.result["closes"].items()),
        "faults": "; ".join(outcome.faults) or "none",
    }
    title = f"{idle:,} idle visitors, {told.visitors} who write {told.rate:,.0f} messages a second"
    if idle < told.idle:
        title += f" (a process may have {most_files():,} files here)"
    tables.show(title, ("", "figure"), rows.items())
    return tables.exit_code(outcome)


def most_files() -> int:
    allow_many_sockets()
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
