from __future__ import annotations

import pytest

from inference.degrade import COOLDOWN, FAILURES, Circuit, Signals, rung_for
from inference.turn import Rung


@pytest.mark.parametrize(
    ("full", "light", "allowed", "rung"),
    [
        (True, True, True, Rung.FULL),
        (True, False, True, Rung.FULL),
        (False, True, True, Rung.LIGHT),
        (False, False, True, Rung.EXTRACT),
        (True, True, False, Rung.EXTRACT),
        (True, False, False, Rung.EXTRACT),
        (False, True, False, Rung.EXTRACT),
        (False, False, False, Rung.EXTRACT),
    ],
)
def test_it_chooses_the_best_rung_that_works_and_is_allowed(
    full: bool, light: bool, allowed: bool, rung: Rung
) -> None:
    assert rung_for(Signals(full, light, allowed)) == rung


def test_it_opens_the_circuit_after_failures_in_a_row_and_closes_it_when_time_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    circuit = Circuit()
    for _ in range(FAILURES - 1):
        circuit.failed()
    assert circuit.is_closed
    circuit.failed()
    assert not circuit.is_closed
    now += COOLDOWN - 0.1
    assert not circuit.is_closed
    now += 0.2
    assert circuit.is_closed


def test_it_counts_only_failures_in_a_row() -> None:
    circuit = Circuit()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            circuit.failed()
        circuit.succeeded()
    assert circuit.is_closed
