from __future__ import annotations

from typing import Any

from chat import limits
from kefu.errors import Overloaded, RateLimited
from tenants.addresses import scope_address

TOO_MANY = 4029


class Door:
    """ASGI, for sockets whose tenant is known: each gets its seat (`scope["seat"]`) or is turned away before it costs anything.

    Here and not in the consumer, because a seat must be given back however a consumer ends.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            seat = limits.enter(scope["tenant"], scope_address(scope))
        except RateLimited:
            await send(
                {"type": "websocket.accept"}
            )  # a browser is not told the code of a line that never opened
            await send({"type": "websocket.close", "code": TOO_MANY})
        except Overloaded as error:
            headers = [(b"retry-after", str(error.retry_after).encode())]
            await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b""})
        else:
            try:
                await self.app(scope | {"seat": seat}, receive, send)
            finally:
                seat.leave()
