"""A shop's MCP server, by the protocol's own SDK, on a free port of loopback while the block lasts.

with McpServer() as server:
    ... server.url ...
    assert server.calls == [("order", {"number": "A1"})]
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Self

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

ORDERS = {
    "A10001": {"status": "shipped", "owner": "vera", "amount": 2399.0},
    "A10002": {"status": "paid", "owner": "bob", "amount": 10.5},
}


class McpServer:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        shop = MCPServer("shop")
        for tool in (self.order, self.hours, self.broken, self.slow, self.huge):
            shop.add_tool(tool)
        self.app = shop.streamable_http_app()
        config = uvicorn.Config(self._noting, "127.0.0.1", 0, log_level="error", interface="asgi3")
        self.server = uvicorn.Server(config)
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def order(self, number: str) -> dict[str, Any]:
        """An order of the shop's."""
        self.calls.append(("order", {"number": number}))
        return {"order": {"number": number, **ORDERS[number]}} if number in ORDERS else {}

    def hours(self, day: str) -> str:
        self.calls.append(("hours", {"day": day}))
        return f"On {day} from 9 to 18"

    def broken(self) -> str:
        raise ToolError("the till is shut")

    async def slow(self) -> str:
        await asyncio.sleep(60)
        return "late"

    def huge(self) -> str:
        return "x" * 5_000_000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def port(self) -> int:
        return int(self.server.servers[0].sockets[0].getsockname()[1])

    async def _noting(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await self.app(scope, receive, send)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        serving = asyncio.ensure_future(self.server.serve())
        while not self.server.started and not serving.done():
            await asyncio.sleep(0.01)
        self.started.set()
        await serving

    def __enter__(self) -> Self:
        self.thread.start()
        assert self.started.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(20)
