"""How much help can be afforded right now: one pure function of signals and policy, with hysteresis, and the step that asks it.

What presses down a rung at a time, and lets up again: load of the model server, its time to the first token, its errors, and how long
questions wait for a worker. What counts at once, whatever was before: switches, plans, budgets, breakers, and what is there at all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgpack
from django.utils.translation import gettext as _

from inference import changes, health, load, shared
from inference.health import Health
from inference.models import Provider
from inference.places import ladder_of, place_of
from inference.turn import Answer, Rung, Turn
from kefu import metrics
from tenants import budgets
from tenants.models import Policy, Tenant

ORDER = tuple(Rung)  # best first
STEP = 5.0  # seconds that a step down gets to show what it helps, before the next
CALM = 0.6  # of a limit: below it a signal lets up
ASKED = (Rung.FULL, Rung.LIGHT)  # rungs on which a model is asked


@dataclass(frozen=True)
class Limits:
    """A tenant's: what is above them presses down. 0: not looked at."""

    first_token: float
    errors: float
    load: float
    wait: float
    stay: float  # seconds on a rung before the next better one is tried


@dataclass(frozen=True)
class Signals:
    servers: dict[Rung, Health] = field(default_factory=dict)  # those that there are
    wait: float = 0.0  # seconds that this question lay in the queue
    best: Rung = Rung.FULL  # that switches, plan and budgets allow


@dataclass(frozen=True)
class Standing:
    """Where a tenant is, for all workers."""

    pressed: Rung = Rung.FULL  # by load alone
    since: float = 0.0  # seconds on the wall clock
    by: str = ""  # the signal that pressed last
    rung: Rung = Rung.FULL  # by all together
    why: str = ""  # not a better one


def rung_for(signals: Signals, limits: Limits, standing: Standing, now: float) -> Standing:
    """The standing that follows; the same one as long as nothing changes."""
    pressed, _since, why = load_alone = _pressed(signals, limits, standing, now)
    rung = max(pressed, signals.best, key=ORDER.index)
    if rung != pressed:
        why = "allowance"
    while rung in ASKED and not _can_ask(signals, rung):
        if rung in signals.servers:
            why = "breaker"
        elif rung == Rung.FULL:
            why = "no provider"
        rung = _below(rung)
    return Standing(*load_alone, rung, "" if rung == Rung.FULL else why)


def _pressed(signals: Signals, limits: Limits, standing: Standing, now: float) -> tuple[Rung, float, str]:
    rung, stayed = standing.pressed, now - standing.since
    over = _over(signals, limits, rung)
    if over and stayed >= STEP and rung != ORDER[-1]:
        return _below(rung), now, over
    better = _above(rung)
    if rung != better and not over and stayed >= limits.stay and not _over(signals, limits, better, CALM):
        return better, now, standing.by
    return rung, standing.since, standing.by


def _over(signals: Signals, limits: Limits, rung: Rung, share: float = 1.0) -> str:
    """Which signal is above `share` of its limit on this rung, if any. The further down, the longer a queue may be."""
    about = signals.servers.get(rung, Health())
    level = 2 ** ORDER.index(rung)
    measured = (
        ("wait", signals.wait, limits.wait * level),
        ("load", about.load or 0.0, limits.load),
        ("first token", about.first_token or 0.0, limits.first_token),
        ("errors", about.errors, limits.errors),
    )
    return next((name for name, value, limit in measured if limit and value > share * limit), "")


def _can_ask(signals: Signals, rung: Rung) -> bool:
    return rung in signals.servers and signals.servers[rung].may_be_asked


def _below(rung: Rung) -> Rung:
    return ORDER[min(ORDER.index(rung) + 1, len(ORDER) - 1)]


def _above(rung: Rung) -> Rung:
    return ORDER[max(ORDER.index(rung) - 1, 0)]


# --- The step ---------------------------------------------------------------------------------------------------------


async def choose_rung(turn: Turn) -> None:
    standing = await _stands(turn)
    turn.rung = max(standing.rung, rung_of_budget(turn.visitor_share), key=ORDER.index)
    turn.note(rung=turn.rung, **_facts(turn, standing))
    metrics.RUNGS.labels(turn.rung).inc()
    if turn.rung == Rung.HUMAN:
        turn.answer = Answer(
            _("So many questions are coming in that I cannot keep up. Shall I call a colleague for you?"),
            "busy",
            open={"offer": "person"},
        )


def rung_of_budget(share: float) -> Rung:
    """What is spent bites softly: people notice before the bot has no model left."""
    if share >= 1:
        return Rung.EXTRACT
    return Rung.LIGHT if share >= budgets.NEAR else Rung.FULL


def _allowed(turn: Turn) -> Rung:
    if turn.used_up or not turn.tenant.policy.use_model:
        return Rung.EXTRACT
    return rung_of_budget(turn.day_share)


def _facts(turn: Turn, standing: Standing) -> dict[str, str]:
    if turn.used_up:
        return {"used_up": turn.used_up}
    if turn.rung != standing.rung:
        return {"why": "budget of the visitor"}
    return {"why": standing.why} if standing.why else {}


async def _stands(turn: Turn) -> Standing:
    tenant, providers = turn.tenant, turn.mind.providers
    places = [place_of(tenant, provider) for provider in providers]
    keys = [ladder_of(tenant), *(key for place in places for key in health.values_of(place))]
    seen = await shared.look(keys, [health.figures_of(place) for place in places])
    packed, *about = seen.values
    known = [health.judged(about[2 * number : 2 * number + 2], sums) for number, sums in enumerate(seen.sums)]
    before, now = unpacked(packed), time.time()
    signals = Signals(_best_of(providers, known), turn.waited, _allowed(turn))
    after = rung_for(signals, limits_of(tenant.policy), before, now)
    for provider in providers:
        load.refresh(tenant, provider)
    if after != before and await shared.swap(ladder_of(tenant), packed, _packed(after)):
        await _announce(tenant, before, after)
    return after


def _best_of(providers: tuple[Provider, ...], known: list[Health]) -> dict[Rung, Health]:
    """The first of each role that may be asked; where none may, the first."""
    found: dict[Rung, Health] = {}
    for provider, one in zip(providers, known, strict=True):
        rung = Rung(provider.role)
        if rung not in found or (one.may_be_asked and not found[rung].may_be_asked):
            found[rung] = one
    return found


async def _announce(tenant: Tenant, before: Standing, after: Standing) -> None:
    if after.rung != before.rung:
        metrics.RUNG_CHANGES.labels(before.rung, after.rung).inc()
        await changes.note(tenant, "rung", "", before.rung, after.rung, after.why or before.why)


def limits_of(policy: Policy) -> Limits:
    return Limits(
        policy.ladder_first_token,
        policy.ladder_errors,
        policy.ladder_load,
        policy.ladder_wait,
        policy.ladder_stay,
    )


def unpacked(packed: bytes) -> Standing:
    if not packed:
        return Standing()
    pressed, since, by, rung, why = msgpack.unpackb(packed)
    return Standing(Rung(pressed), since, by, Rung(rung), why)


def _packed(standing: Standing) -> bytes:
    fields = (standing.pressed.value, standing.since, standing.by, standing.rung.value, standing.why)
    packed: bytes = msgpack.packb(fields)
    return packed
