"""The operator suspends a company while its visitors chat."""

from __future__ import annotations

from chat import tasks
from tenants.models import Tenant
from tests.chat.client import Place, Visitor
from tests.chat.conftest import suspended


def test_it_closes_silent_sockets_and_drops_tasks_of_that_company_only(
    globex_place: Place, live_globex: Tenant, visitor: Visitor
) -> None:
    gina = Visitor(globex_place)
    socket, neighbours = gina.socket(), visitor.socket()
    with suspended(live_globex, gina):
        assert socket.closed() == 4090
        assert gina.history()[0] == 503
        assert tasks.answer_turn("globex", "0" * 32) is None
        assert visitor.say(neighbours, "Still here?")["type"] == "ack"
        assert visitor.history()[0] == 200
