"""How a bench shows what it measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from tests.bench.measure import Outcome

console = Console(width=150, soft_wrap=False)
PROCESSES = ("web", "agents' web", "worker", "postgres", "redis", "load")


def show(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console.print(table)


def show_outcomes(title: str, outcomes: Mapping[str, Outcome]) -> None:
    """A row for each."""
    known = [name for name in PROCESSES if any(name in outcome.cpu for outcome in outcomes.values())]
    columns = (
        "",
        "messages/s",
        "spread",
        "ack ms\np50 / p99",
        "delivery ms\np50 / p99",
        *(f"{name}\nµs each" for name in known),
    )
    show(
        title,
        (*columns, "others\ncores", "faults"),
        [row(name, outcome, known) for name, outcome in outcomes.items()],
    )


def show_shares(outcome: Outcome, process: str = "web", rows: int = 25) -> None:
    """Where the time of that process goes, if it was profiled."""
    each = outcome.microseconds(process)
    lines = [
        (place, f"{share:.1%}", f"{share * each:,.0f}")
        for place, share in list(outcome.shares.items())[:rows]
    ]
    if lines:
        show(f"Where the time of the {process} process goes", ("", "share", "µs each"), lines)


def exit_code(*outcomes: Outcome) -> int:
    """1 where anything was lost, doubled or refused."""
    return int(any(outcome.faults for outcome in outcomes))


def row(name: str, outcome: Outcome, processes: Iterable[str]) -> tuple[str, ...]:
    return (
        name,
        f"{outcome.rate:,.0f}",
        spread(outcome),
        latency(outcome, "ack"),
        latency(outcome, "delivery") if outcome.delivers else "–",
        *(
            f"{outcome.microseconds(process):,.0f}" if process in outcome.cpu else "–"
            for process in processes
        ),
        f"{outcome.cores('others'):.2f}",
        "; ".join(outcome.faults) or "none",
    )


def spread(outcome: Outcome) -> str:
    return f"{min(outcome.rates):,.0f} to {max(outcome.rates):,.0f}" if len(outcome.rates) > 1 else ""


def latency(outcome: Outcome, what: str) -> str:
    p50, p99 = (outcome.latency(what, share) for share in ("p50", "p99"))
    return f"{p50:,.1f} / {p99:,.1f}" if p99 < 100 else f"{p50:,.0f} / {p99:,.0f}"
