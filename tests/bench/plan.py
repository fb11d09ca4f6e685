"""What the load generator is told, and how it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any


@dataclass
class Plan:
    """What to do. A visitor is (token, conversation), an agent (session cookie, conversations to watch)."""

    host: str
    port: int  # the visitors' server
    agents_port: int = 0  # the agents', if it is another
    visitors: list[tuple[str, str]] = field(default_factory=list)  # who talk
    idle: list[tuple[str, str]] = field(default_factory=list)  # who are only there
    agents: list[tuple[str, list[str]]] = field(default_factory=list)
    hosts: dict[str, str] = field(default_factory=dict)  # of conversations that are on another than `host`
    texts: list[str] = field(default_factory=lambda: ["我上周买的电饭煲坏了，能换吗？"])
    rate: float = 0.0  # messages a second of all visitors together; 0: each always has one under way
    answers: bool = False  # each message is a question, delivered when the bot's answer is there
    echo: bool = False  # the server sends back what it gets: there are no acks and no agents
    warm_up: float = 2.0
    seconds: float = 8.0
    runs: int = 3
    restart: bool = False  # after the runs, wait until everybody was lost and is back
    spread: float = 3.0  # seconds over which those come back who were sent away together
    sources: list[str] = field(default_factory=lambda: [""])  # addresses to come from, in turn
    more_ports: list[int] = field(default_factory=list)  # further servers among which visitors are spread


@dataclass
class Tally:
    """Latencies of one run, in seconds."""

    acks: list[float] = field(default_factory=list)
    deliveries: list[float] = field(default_factory=list)
    began: float = field(default_factory=perf_counter)

    def summary(self) -> dict[str, Any]:
        return {
            "seconds": perf_counter() - self.began,
            "acks": len(self.acks),
            "deliveries": len(self.deliveries),
            "ack_ms": milliseconds(self.acks),
            "delivery_ms": milliseconds(self.deliveries),
        }


def milliseconds(latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {"p50": 0.0, "p99": 0.0, "most": 0.0}
    ordered = sorted(latencies)
    last = len(ordered) - 1
    return {
        "p50": ordered[last // 2] * 1000,
        "p99": ordered[int(last * 0.99)] * 1000,
        "most": ordered[-1] * 1000,
    }
