"""`messages` with the visitors on one web process and the agents on another: what goes through Redis."""

from __future__ import annotations

from tests.bench import measure, tables
from tests.bench.messages import ECHO, agents_for, echo, talk
from tests.bench.stage import company, people, port, running, stage, web

ACROSS = "Kefu, two processes"


def main(*arguments: str) -> int:
    told = measure.options("two-processes").parse_args(arguments)
    with stage() as here:
        outcomes = {ECHO: echo(here, told)}
        cast = people(company(), told.visitors, agents_for(told.visitors))
        servers = [web(here, port(), "visitors"), web(here, port(), "agents")]
        with running(*servers):
            outcomes[ACROSS] = talk(here, told, cast, servers, here.database, "acme.chat_message")
    tables.show_outcomes(f"{told.visitors} visitors on one web process, their agents on another", outcomes)
    return tables.exit_code(*outcomes.values())
