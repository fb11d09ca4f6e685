from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from chat import delivery, sending, writer  # noqa: E402
from chat.consumers import AgentSocket, VisitorSocket  # noqa: E402
from chat.door import Door  # noqa: E402
from kefu.bodies import Bodies  # noqa: E402
from tenants.middleware import TenantScope  # noqa: E402


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """At the end, once the sockets are closed: what was committed is told to the other processes before this one goes."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for settle in (writer.settle, sending.settle, delivery.settle):
        await settle()
    await send({"type": "lifespan.shutdown.complete"})


sockets = URLRouter(
    [
        path("ws/v1/visitor", VisitorSocket.as_asgi()),
        path("ws/v1/agent", AgentSocket.as_asgi()),
    ]
)
application = ProtocolTypeRouter(
    {"http": Bodies(http), "websocket": TenantScope(Door(sockets)), "lifespan": lifespan}
)
