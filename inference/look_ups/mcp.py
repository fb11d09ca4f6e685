"""A tool of an MCP server (https://modelcontextprotocol.io), over streamable HTTP.

The protocol's own SDK speaks; every connection it makes goes through `tenants.outbound`. It is imported when it is first needed, which
takes seconds that a web process need not spend.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from django.utils.translation import gettext as _

from inference.filling import fill_all
from inference.look_ups.replies import Failed, parsed
from inference.models import Connector
from tenants import outbound
from tenants.models import Tenant

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    arguments: tuple[str, ...]


async def ask(tenant: Tenant, connector: Connector, values: dict[str, str]) -> Any:
    """What the tool returned. Raises Failed, WrongTemplate or outbound.Refused."""
    arguments = fill_all(connector.body, values)
    async with _session(connector) as session:
        result = await session.call_tool(connector.tool, arguments)
    if result.is_error:
        raise Failed(_("The tool says: %(text)s") % {"text": _text(result)[:300]})
    return _content(result)


async def tools(connector: Connector) -> tuple[Tool, ...]:
    """What the server offers. Raises Failed or outbound.Refused."""
    async with _session(connector) as session:
        listed = await session.list_tools()
    return tuple(
        Tool(tool.name, tool.description or "", tuple(tool.input_schema.get("properties", {})))
        for tool in listed.tools
    )


def request(connector: Connector, values: dict[str, str]) -> str:
    """Raises WrongTemplate."""
    arguments = json.dumps(fill_all(connector.body, values), ensure_ascii=False)
    return f"{connector.url}\n{connector.tool}({arguments})"


@asynccontextmanager
async def _session(connector: Connector) -> AsyncIterator[Client]:
    from mcp import Client, MCPError
    from mcp.client.streamable_http import streamable_http_client
    from mcp.types import INVALID_PARAMS

    outbound.checked(connector.url)
    try:
        async with outbound.client() as line:
            line.headers |= connector.headers
            if connector.secret:
                line.headers[connector.secret_header] = connector.secret
            transport: Any = streamable_http_client(connector.url, http_client=line)
            async with Client(transport) as session:
                yield session
    except MCPError as error:
        raise Failed(f"{error.error.code}: {error}", is_down=error.error.code != INVALID_PARAMS) from error
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise Failed(f"{type(error).__name__}: {error}", is_down=True) from error
    except ExceptionGroup as group:  # as the SDK's tasks end
        failure = _first(group)
        if isinstance(failure, Failed):
            raise failure from group
        raise Failed(f"{type(failure).__name__}: {failure}", is_down=True) from group


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _content(result: CallToolResult) -> Any:
    """The structured content; else the text, as JSON if it is that, as a column `text` if not."""
    if result.structured_content:
        return result.structured_content
    text = _text(result)
    try:
        found = parsed(text)
    except Failed:
        found = text
    return found if isinstance(found, dict | list) else {"text": text or None}


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")
