"""Runs the load generator beside the servers, sees what each of them needed, and counts afterwards."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg

from kefu.dev.processes import last_lines
from tests.bench import profile
from tests.bench.plan import Plan

Event = dict[str, Any]


@dataclass
class Outcome:
    delivers: bool = True  # messages go on to somebody; else they are only acknowledged
    runs: list[Event] = field(default_factory=list)
    cpu: dict[str, float] = field(
        default_factory=dict
    )  # seconds of each process, and of all others, during the runs
    result: Event = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)  # the others
    shares: dict[str, float] = field(
        default_factory=dict
    )  # of the profiled process's time: see profile.shares
    faults: list[str] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Messages a second that went all the way, of each run."""
        whole = [min(run["acks"], run["deliveries"]) if self.delivers else run["acks"] for run in self.runs]
        return [number / run["seconds"] for number, run in zip(whole, self.runs, strict=True)]

    @property
    def rate(self) -> float:
        return median(self.rates)

    def latency(self, what: str, share: str) -> float:
        """Milliseconds; `what` is ack or delivery, `share` p50, p99 or most: the median of the runs."""
        return median(run[f"{what}_ms"][share] for run in self.runs)

    def cores(self, process: str) -> float:
        """How many processors it kept busy. Figures are to be trusted where that is next to none for "others"."""
        return self.cpu[process] / sum(run["seconds"] for run in self.runs)

    def microseconds(self, process: str) -> float:
        """Of CPU, for each message."""
        return self.cpu[process] * 1_000_000 / max(1, sum(run["acks"] for run in self.runs))


def measure(
    folder: Path,
    plan: Plan,
    processes: Mapping[str, int],
    when: Mapping[str, Callable[[], None]] | None = None,
    profiled: str = "",
) -> Outcome:
    """Plays `plan` to its end. `when` says what to do at which of the generator's events, `profiled` whose time is looked into.

    Raises RuntimeError when the generator fails.
    """
    path = folder / "plan.json"
    path.write_text(json.dumps(asdict(plan)))
    command = (sys.executable, "-m", "tests.bench.load", str(path))
    outcome = Outcome(bool(plan.agents or plan.answers))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as generator:
        assert generator.stdout
        watched, spy, kept = {**processes, "load": generator.pid}, None, folder / "profile.txt"
        try:
            for line in generator.stdout:
                event = json.loads(line)
                _note(outcome, event, watched)
                if profiled and not spy and event["event"] == "begin":
                    spy = profile.start(processes[profiled], plan.seconds * plan.runs, kept)
                (when or {}).get(event["event"], lambda: None)()
        finally:
            generator.kill()
    if not outcome.result:
        logs = "\n".join(f"{log.name}:\n{last_lines(log)}" for log in folder.glob("*.log"))
        raise RuntimeError(f"The load generator gave up.\n{logs}")
    if spy:
        spy.wait()
        outcome.shares = profile.shares(kept)
    outcome.faults = _faults(plan, outcome.result)
    return outcome


def _note(outcome: Outcome, event: Event, watched: Mapping[str, int]) -> None:
    kind = event["event"]
    if kind in ("begin", "end"):
        sign = 1 if kind == "end" else -1
        used = {name: cpu_seconds(pid) for name, pid in watched.items()}
        used["others"] = busy_seconds() - sum(used.values())
        for name, seconds in used.items():
            outcome.cpu[name] = outcome.cpu.get(name, 0.0) + sign * seconds
    if kind == "end":
        outcome.runs.append(event)
    elif kind == "result":
        outcome.result = event
    else:
        outcome.events[kind] = event


def cost(outcome: Outcome) -> float:
    """Microseconds of CPU for a message, of all that serve it."""
    return sum(outcome.microseconds(process) for process in ("web", "postgres", "redis"))


def busy_seconds() -> float:
    """Of all processors of this machine, whoever had them."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def cpu_seconds(pid: int) -> float:
    """Of a process, its children and those that have ended."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        own = top.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in top.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                total += times.user + times.system
    return total


def _faults(plan: Plan, result: Event) -> list[str]:
    said = {
        "unacked": "{} never acknowledged",
        "missing": "{} not delivered",
        "doubles": "{} delivered twice",
    }
    faults = [text.format(f"{result[name]:,}") for name, text in said.items() if result[name]]
    faults += [f"{count:,} times {code}" for code, count in result["errors"].items()]
    if not plan.restart:
        faults += [f"{count:,} lines lost ({code})" for code, count in result["closes"].items()]
    return faults


COUNT = """
SELECT count(*) FILTER (WHERE client_id IS NOT NULL), count(*) FILTER (WHERE {answered})
FROM {table} WHERE conversation_id = ANY(%s::uuid[])
"""
HOLES = """
SELECT count(*) FROM (
    SELECT FROM {table} WHERE conversation_id = ANY(%s::uuid[]) GROUP BY conversation_id HAVING max(seq) <> count(*)
) AS broken
"""


def compare(outcome: Outcome, plan: Plan, database: str, table: str) -> None:
    """Adds to the faults whatever the database knows better than the load generator."""
    conversations = [conversation for _token, conversation in plan.visitors]
    answered = "mode <> ''" if plan.answers else "false"
    with psycopg.connect(database) as line:
        committed, answers = line.execute(
            COUNT.format(table=table, answered=answered), [conversations]
        ).fetchone()
        (holes,) = line.execute(HOLES.format(table=table), [conversations]).fetchone()
    acked, delivered = outcome.result["acked"], outcome.result["delivered"]
    if committed != acked:
        outcome.faults.append(f"{committed:,} committed, {acked:,} acknowledged")
    if outcome.delivers and (answers if plan.answers else committed) != delivered:
        outcome.faults.append(
            f"{answers if plan.answers else committed:,} committed, {delivered:,} delivered"
        )
    if holes:
        outcome.faults.append(f"{holes:,} conversations with holes")


def options(
    name: str, *, visitors: int = 100, seconds: float = 6.0, runs: int = 3, warm_up: float = 3.0
) -> argparse.ArgumentParser:
    """What every bench understands."""
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--visitors", type=int, default=visitors, help="who write at the same time")
    parser.add_argument("--seconds", type=float, default=seconds, help="of each run")
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--warm-up", type=float, default=warm_up, help="seconds before them")
    return parser


def profiles(parser: argparse.ArgumentParser, process: str = "web") -> None:
    about = f"show where the time of the {process} process goes"
    parser.add_argument("--profile", action="store_true", help=about)


def timing(told: argparse.Namespace) -> dict[str, Any]:
    """Those of `options` that are fields of a Plan."""
    return {"seconds": told.seconds, "runs": told.runs, "warm_up": told.warm_up}
