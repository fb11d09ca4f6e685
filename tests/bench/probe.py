"""An ASGI application that shows what a server does with it: `/echo`, and `/close` and `/pour`, which say what befell them at `/seen`."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qsl

PIECE = "x" * 32_768
MOST = 512 * 1024 * 1024  # bytes poured out to a client that does not read

seen: dict[str, list[Any]] = defaultdict(list)  # by the socket's name: how it ended
poured: dict[str, int] = defaultdict(int)  # bytes


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await _tell(send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        told = dict(parse_qsl(scope["query_string"].decode()))
        try:
            await PLACES[scope["path"]](told, receive, send)
        except (OSError, RuntimeError) as error:  # what servers raise when a client is gone
            seen[told.get("name", "")].append(type(error).__name__)


async def _tell(send: Any) -> None:
    body = json.dumps({"seen": seen, "poured": poured}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


async def echo(told: dict[str, str], receive: Any, send: Any) -> None:
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
    seen[told.get("name", "")].append(event.get("code"))


async def close(told: dict[str, str], receive: Any, send: Any) -> None:
    await send({"type": "websocket.close", "code": int(told["code"])})
    seen[told.get("name", "")].append((await receive()).get("code"))


async def pour(told: dict[str, str], receive: Any, send: Any) -> None:
    """As much as the client takes, or the server takes off our hands."""
    while poured[told["name"]] < MOST:
        await send({"type": "websocket.send", "text": PIECE})
        poured[told["name"]] += len(PIECE)
        await asyncio.sleep(0)


PLACES = {"/echo": echo, "/close": close, "/pour": pour}
