from __future__ import annotations

import django

django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from tests.bench.plain.consumers import AgentTalk, VisitorTalk  # noqa: E402

application = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [
                path("ws/v1/visitor", VisitorTalk.as_asgi()),
                path("ws/v1/agent", AuthMiddlewareStack(AgentTalk.as_asgi())),
            ]
        )
    }
)
