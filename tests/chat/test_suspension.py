"""The operator suspends a company while its visitors chat."""

from __future__ import annotations

from chat import tasks
from tenants import registry
from tenants.models import Tenant
from tests.chat.client import Place, Visitor
from tests.product import wait_until
from tests.tenants.conftest import manage


def test_it_closes_silent_sockets_and_drops_tasks_of_that_company_only(
    globex_place: Place, live_globex: Tenant, visitor: Visitor
) -> None:
    gina = Visitor(globex_place)
    socket, neighbours = gina.socket(), visitor.socket()
    assert manage("suspend", "globex", "--yes").code == 0
    try:
        assert socket.closed(timeout=5) == 4090
        assert gina.history()[0] == 503
        registry.forget()
        assert tasks.answer_turn("globex", "0" * 32) is None
        assert visitor.say(neighbours, "Still here?")["type"] == "ack"
        assert visitor.history()[0] == 200
    finally:
        assert manage("resume", "globex").code == 0
    registry.forget()
    wait_until(lambda: gina.history()[0] == 200)
