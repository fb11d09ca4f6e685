"""H07, H32: sockets at hosts that are no tenant's, and what agents hand over to who is not here."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from websockets.exceptions import InvalidStatus

from chat.models import Agent, Conversation, Team
from tenants.context import inside
from tenants.models import Tenant
from tests.chat.client import Place, Socket, Visitor
from tests.hostile.cast import FAR

pytestmark = pytest.mark.product


@pytest.mark.parametrize(
    "host", ["localhost", "initech.localhost", "acme.localhost.evil.example", "evil.example"]
)
@pytest.mark.parametrize("path", ["/ws/v1/visitor", "/ws/v1/agent"])
def test_h32_no_socket_opens_at_a_host_that_is_no_tenants(
    acme_place: Place, visitor: Visitor, host: str, path: str
) -> None:
    elsewhere = Place(host, acme_place.port)
    with pytest.raises(InvalidStatus) as refused:
        Socket(elsewhere, path, origin=elsewhere.origin)
    assert refused.value.response.status_code == 403
    assert visitor.token.encode() not in (refused.value.response.body or b"")


@pytest.mark.parametrize("to", ["agent", "team"])
def test_h01_an_agent_can_pass_a_visitor_on_to_nobody_of_the_neighbours(
    visitor: Visitor,
    live_acme: Tenant,
    live_globex: Tenant,
    console: Callable[[Tenant, str], Socket],
    to: str,
) -> None:
    """A number of Globex's is told what one is told that nobody has."""
    far = FAR + random.randrange(10**6)  # a number that Acme has not given
    with inside(live_globex):
        user = User.objects.create_user(f"gus-{far}")
        theirs = Agent.objects.create(pk=far, user=user, name="Gus", presence=Agent.Presence.ONLINE)
        Team.objects.create(pk=far, name=f"theirs {far}").members.add(theirs)
    ann = console(live_acme, "Ann")
    ann.ask("conversation.take_over", conversation=visitor.conversation)
    foreign, nobodys = (
        ann.ask("conversation.transfer", conversation=visitor.conversation, **{to: number})
        for number in (far, 10**9)
    )
    assert foreign | {"id": ""} == nobodys | {"id": ""}
    assert foreign["type"] == "error"
    with inside(live_acme):
        assert Conversation.objects.get(pk=visitor.conversation).agent.name == "Ann"
