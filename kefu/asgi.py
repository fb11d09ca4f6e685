from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from chat.consumers import AgentSocket, VisitorSocket  # noqa: E402
from tenants.middleware import TenantScope  # noqa: E402

sockets = URLRouter(
    [
        path("ws/v1/visitor", VisitorSocket.as_asgi()),
        path("ws/v1/agent", AgentSocket.as_asgi()),
    ]
)
application = ProtocolTypeRouter({"http": http, "websocket": TenantScope(sockets)})
