"""Nine quiet tenants, alone and beside one that makes nine tenths of the load: how long the quiet ones wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.bench import measure, tables
from tests.bench.casts import messages_of, plan_of
from tests.bench.measure import Outcome
from tests.bench.messages import agents_for
from tests.bench.stage import company, people, port, running, stage, web

QUIET, LOUD = [f"quiet{number}" for number in range(1, 10)], "loud"
EARLIER = 6.0  # seconds that the loud one talks before the others are measured, and after


def main(*arguments: str) -> int:
    parser = measure.options("noisy-neighbour", visitors=90)
    parser.add_argument(
        "--rate", type=float, default=200.0, help="messages a second of the quiet ones together"
    )
    told = parser.parse_args(arguments)
    timing = measure.timing(told)
    with stage() as here:
        tenants = {schema: company(schema) for schema in (*QUIET, LOUD)}
        server = web(here, port())
        (here.folder / LOUD).mkdir()

        def quiet(**fields: float) -> Outcome:
            """With new people: who has talked already would begin again with the same ids."""
            casts = {name: people(tenants[name], told.visitors // len(QUIET), agents=1) for name in QUIET}
            plan = plan_of(casts, server.port, rate=told.rate, **timing | fields)
            outcome = measure.measure(here.folder, plan, {"web": server.pid, **here.services})
            measure.compare(outcome, plan, here.database, messages_of(QUIET))
            return outcome

        with running(server), ThreadPoolExecutor() as beside:
            alone = quiet()
            longer = {"warm_up": 0.0, "runs": 1, "seconds": told.runs * told.seconds + 2 * EARLIER}
            loud = {LOUD: people(tenants[LOUD], told.visitors, agents_for(told.visitors))}
            noise = plan_of(loud, server.port, rate=9 * told.rate, **longer)
            talking = beside.submit(measure.measure, here.folder / LOUD, noise, {"web": server.pid})
            annoyed, neighbour = quiet(warm_up=EARLIER), talking.result()
        measure.compare(neighbour, noise, here.database, messages_of([LOUD]))
    outcomes = {"quiet, alone": alone, "quiet, beside the loud one": annoyed, "the loud one": neighbour}
    tables.show_outcomes(f"{len(QUIET)} quiet tenants and a loud one", outcomes)
    ratio = annoyed.latency("ack", "p99") / alone.latency("ack", "p99")
    tables.console.print(f"The quiet ones' p99 is {ratio:.1f} times what it is alone.")
    return tables.exit_code(*outcomes.values())
