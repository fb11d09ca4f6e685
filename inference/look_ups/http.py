"""A JSON reply of the company's own web service."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx2
from django.utils.translation import gettext as _

from inference.filling import fill, fill_all
from inference.look_ups.replies import Failed, parsed
from inference.models import Connector
from tenants import outbound
from tenants.models import Tenant

NOTHING = (404, 410)


async def ask(tenant: Tenant, connector: Connector, values: dict[str, str]) -> Any:
    """The reply's JSON; None for a 404. Raises Failed, WrongTemplate or outbound.Refused. Redirects are not followed."""
    address = outbound.checked(_address(connector, values))
    secret = {connector.secret_header: connector.secret} if connector.secret else {}
    try:
        async with outbound.client() as line:
            answer = await line.request(
                connector.method,
                address,
                headers=_headers(connector, values) | secret,
                content=_body(connector, values),
            )
    except (
        httpx2.LocalProtocolError,
        httpx2.InvalidURL,
        ValueError,
    ) as error:  # a header may hold no line break
        raise Failed(f"{type(error).__name__}: {error}") from error
    except httpx2.HTTPError as error:
        raise Failed(f"{type(error).__name__}: {error}", is_down=True) from error
    if answer.status_code in NOTHING:
        return None
    if not answer.is_success:
        is_down = answer.status_code >= 500 or answer.status_code == 429
        raise Failed(_("The server answered %(status)d.") % {"status": answer.status_code}, is_down=is_down)
    return parsed(answer.content)


def request(connector: Connector, values: dict[str, str]) -> str:
    """As it is sent, without the secret. Raises WrongTemplate."""
    headers = [f"{name}: {value}" for name, value in _headers(connector, values).items()]
    secret = [f"{connector.secret_header}: …"] if connector.secret else []
    body = _body(connector, values)
    lines = [f"{connector.method} {_address(connector, values)}", *headers, *secret]
    return "\n".join([*lines, "", body.decode()] if body else lines)


def _address(connector: Connector, values: dict[str, str]) -> str:
    """No value can leave its place: not for another server, not by a sign, and not by dots, which mean the folder above."""
    if "{" in "/".join(connector.url.split("/", 3)[:3]):
        raise Failed(_("Which server is asked may not depend on the visitor."))
    dots = [value for value in values.values() if value.strip(".") == ""]
    if dots:
        raise Failed(_("“%(value)s” may not stand in an address.") % {"value": dots[0]})
    return fill(connector.url, {name: quote(value, safe="") for name, value in values.items()})


def _headers(connector: Connector, values: dict[str, str]) -> dict[str, str]:
    typed = {"Content-Type": "application/json"} if connector.method == Connector.Method.POST else {}
    filled: dict[str, str] = fill_all(connector.headers, values)
    return {"Accept": "application/json", **typed, **filled}


def _body(connector: Connector, values: dict[str, str]) -> bytes | None:
    if connector.method == Connector.Method.GET:
        return None
    filled: Any = fill_all(connector.body, values)
    return json.dumps(filled, ensure_ascii=False).encode()
