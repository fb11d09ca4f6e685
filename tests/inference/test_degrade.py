"""The ladder: which rung follows from what, as a table, and through time."""

from __future__ import annotations

import pytest

from inference.breaker import State
from inference.degrade import STEP, Limits, Signals, Standing, rung_for
from inference.health import Health
from inference.turn import Rung

FULL, LIGHT, EXTRACT, HUMAN = Rung
LIMITS = Limits(first_token=10, errors=0.5, load=0.9, wait=8, stay=30)
WELL, OPEN, HALF_OPEN = Health(), Health(State.OPEN), Health(State.HALF_OPEN)
SLOW, FAILING, BUSY = Health(first_token=11.0), Health(errors=0.6), Health(load=0.95)
BOTH = {FULL: WELL, LIGHT: WELL}
LONG = 1000.0  # seconds on a rung already


def chosen(
    servers: dict[Rung, Health],
    *,
    pressed: Rung = FULL,
    wait: float = 0.0,
    best: Rung = FULL,
    stayed: float = LONG,
) -> tuple[Rung, str]:
    after = rung_for(Signals(servers, wait, best), LIMITS, Standing(pressed, since=0.0, by="load"), stayed)
    return after.rung, after.why


@pytest.mark.parametrize(
    ("servers", "best", "rung", "why"),
    [
        # What there is, and what breakers say
        (BOTH, FULL, FULL, ""),
        ({FULL: WELL}, FULL, FULL, ""),
        ({LIGHT: WELL}, FULL, LIGHT, "no provider"),
        ({}, FULL, EXTRACT, "no provider"),
        ({FULL: OPEN, LIGHT: WELL}, FULL, LIGHT, "breaker"),
        ({FULL: OPEN}, FULL, EXTRACT, "breaker"),
        ({FULL: OPEN, LIGHT: OPEN}, FULL, EXTRACT, "breaker"),
        ({FULL: WELL, LIGHT: OPEN}, FULL, FULL, ""),
        ({FULL: HALF_OPEN, LIGHT: WELL}, FULL, FULL, ""),  # somebody has to try
        # What is allowed
        (BOTH, LIGHT, LIGHT, "allowance"),
        ({FULL: WELL}, LIGHT, EXTRACT, "allowance"),
        ({FULL: WELL, LIGHT: OPEN}, LIGHT, EXTRACT, "breaker"),
        (BOTH, EXTRACT, EXTRACT, "allowance"),
        ({}, EXTRACT, EXTRACT, "allowance"),
        # What presses
        ({FULL: SLOW, LIGHT: WELL}, FULL, LIGHT, "first token"),
        ({FULL: FAILING, LIGHT: WELL}, FULL, LIGHT, "errors"),
        ({FULL: BUSY, LIGHT: WELL}, FULL, LIGHT, "load"),
        ({FULL: BUSY}, FULL, EXTRACT, "load"),
        ({FULL: BUSY, LIGHT: OPEN}, FULL, EXTRACT, "breaker"),
        ({FULL: WELL, LIGHT: BUSY}, FULL, FULL, ""),  # nobody asks that one now
        ({FULL: BUSY, LIGHT: WELL}, EXTRACT, EXTRACT, "allowance"),
    ],
)
def test_it_chooses_by_what_there_is_and_what_is_allowed_and_what_presses(
    servers: dict[Rung, Health], best: Rung, rung: Rung, why: str
) -> None:
    assert chosen(servers, best=best) == (rung, why)


@pytest.mark.parametrize(
    ("pressed", "wait", "rung"),
    [
        (FULL, 7, FULL),
        (FULL, 9, LIGHT),
        (LIGHT, 15, LIGHT),
        (LIGHT, 17, EXTRACT),
        (EXTRACT, 31, EXTRACT),
        (EXTRACT, 33, HUMAN),
        (HUMAN, 1000, HUMAN),
        (HUMAN, 20, HUMAN),  # not calm enough for a rung better: 0.6 of 32
        (HUMAN, 19, EXTRACT),
        (EXTRACT, 10, EXTRACT),
        (EXTRACT, 9, LIGHT),
        (LIGHT, 5, LIGHT),
        (LIGHT, 4, FULL),
    ],
)
def test_it_lets_questions_wait_longer_the_further_down_it_is(pressed: Rung, wait: float, rung: Rung) -> None:
    assert chosen(BOTH, pressed=pressed, wait=wait)[0] == rung


@pytest.mark.parametrize(
    ("full", "rung"),
    [
        (Health(load=0.89), LIGHT),  # below the limit, and not calm
        (Health(load=0.53), FULL),
        (Health(first_token=7.0), LIGHT),
        (Health(first_token=5.9), FULL),
        (Health(errors=0.4), LIGHT),
        (Health(errors=0.2), FULL),
        (WELL, FULL),
    ],
)
def test_it_goes_up_only_where_the_better_server_is_calm(full: Health, rung: Rung) -> None:
    assert chosen({FULL: full, LIGHT: WELL}, pressed=LIGHT)[0] == rung


def test_it_gives_a_step_down_time_to_help_and_a_rung_time_to_prove_itself() -> None:
    pressing = {FULL: BUSY, LIGHT: BUSY}
    assert chosen(pressing, pressed=LIGHT, stayed=STEP - 1)[0] == LIGHT
    assert chosen(pressing, pressed=LIGHT, stayed=STEP)[0] == EXTRACT
    assert chosen(BOTH, pressed=LIGHT, stayed=LIMITS.stay - 1)[0] == LIGHT
    assert chosen(BOTH, pressed=LIGHT, stayed=LIMITS.stay)[0] == FULL


def test_it_goes_up_one_rung_at_a_time_and_is_quick_to_go_down_again() -> None:
    standing, seen = Standing(HUMAN, since=0.0), []
    for now in range(0, 100, 10):
        standing = rung_for(Signals(BOTH), LIMITS, standing, now)
        seen.append(standing.rung)
    assert seen == [HUMAN] * 3 + [EXTRACT] * 3 + [LIGHT] * 3 + [FULL]
    assert rung_for(Signals(BOTH, wait=9), LIMITS, standing, 90 + STEP).rung == LIGHT


def test_it_does_not_change_while_signals_tremble_between_the_two_limits() -> None:
    standing = Standing(LIGHT, since=0.0, by="load", rung=LIGHT, why="load")
    for now in range(100):
        trembling = Health(load=0.85 if now % 2 else 0.6)
        assert rung_for(Signals({FULL: trembling, LIGHT: WELL}), LIMITS, standing, now) == standing


def test_it_looks_at_no_signal_whose_limit_is_nought() -> None:
    nothing = Limits(0, 0, 0, 0, stay=30)
    worst = Health(load=1.0, first_token=100.0, errors=1.0)
    assert rung_for(Signals({FULL: worst}, wait=1000), nothing, Standing(), LONG) == Standing()


def test_it_remembers_pressure_while_a_breaker_is_open() -> None:
    """... and is back where it was as soon as that closes."""
    standing = Standing(LIGHT, since=90.0, by="load", rung=LIGHT, why="load")
    shut = rung_for(Signals({FULL: BUSY, LIGHT: OPEN}), LIMITS, standing, 91)
    assert (shut.rung, shut.why) == (EXTRACT, "breaker")
    assert rung_for(Signals({FULL: BUSY, LIGHT: WELL}), LIMITS, shut, 92) == standing
