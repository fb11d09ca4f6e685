"""Questions a second through the worker lane, start to end, with a model that answers after a fixed time."""

from __future__ import annotations

from tests.bench import lane, measure, tables
from tests.bench.plan import Plan
from tests.bench.stage import HOST, people, stage


def main(*arguments: str) -> int:
    parser = measure.options("worker-lane", visitors=50, seconds=8)
    parser.add_argument(
        "--model", default="late", help="a script of tests.model_server; `late` answers after 0.4 s"
    )
    parser.add_argument("--threads", type=int, default=100, help="of the worker")
    measure.profiles(parser, "worker")
    told = parser.parse_args(arguments)
    with stage() as here, lane.lane(here, told.model, told.threads) as about:
        cast = people(about.tenant, told.visitors)
        plan = Plan(
            HOST,
            about.web.port,
            visitors=cast.visitors,
            texts=lane.questions(),
            answers=True,
            **measure.timing(told),
        )
        watched = {"web": about.web.pid, "worker": about.worker.pid, **here.services}
        profiled = "worker" if told.profile else ""
        outcome = measure.measure(here.folder, plan, watched, profiled=profiled)
        measure.compare(outcome, plan, here.database, "acme.chat_message")
    title = f"{told.visitors} visitors, each with a question under way; delivered: answered"
    tables.show_outcomes(title, {f"model `{told.model}`": outcome})
    tables.show_shares(outcome, "worker")
    return tables.exit_code(outcome)
