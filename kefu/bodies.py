"""How much a request may carry, and how slowly: everywhere, with or without a proxy in front.

Django reads a body to its end, and onto the disk if it is long, before it looks at anything.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie
from django.utils.translation import gettext as _

from kefu.errors import KefuError, TooLong
from tenants import registry
from tenants.context import database_call

MIB = 2**20
BODY, FORM, DOCUMENTS = 1 * MIB, 3 * MIB, 200 * MIB  # docker/nginx/kefu.conf says the same
ADMIN, UPLOADS = "/admin/", "/admin/knowledge/document/add/"
ATTACHMENTS = re.compile(r"/api/v1/conversations/[^/]+/attachments")
GRACE, BYTES_A_SECOND, FILE_BYTES_A_SECOND = 20.0, 1000, 10_000  # a body may come slowly, but not forever


class TooSlow(KefuError):
    code, status, temporary = "overloaded", 408, True


class Bodies:
    """ASGI, for HTTP: answers 413 to who sends too much and 408 to who sends too slowly, and reads no further."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        most = await _most(scope["path"], headers)
        try:
            if not declared.isdigit() or int(declared) > most:
                raise _too_long(most)
            if ATTACHMENTS.fullmatch(scope["path"]):
                body = _pieces(_counted(receive, most, FILE_BYTES_A_SECOND))
                await self.app(scope | {"kefu.body": body}, _nothing(), send)
            else:
                await self.app(scope, _counted(receive, most, BYTES_A_SECOND), send)
        except (TooLong, TooSlow) as error:  # only from here: views answer their own
            await _refuse(error, scope["path"], send)


async def _most(path: str, headers: dict[bytes, bytes]) -> int:
    """Bytes. A long body is for those alone who may use the page it goes to: anybody else's would only fill the disk.

    A file of a message is not read here: the view takes it piece by piece from the scope, once it knows who sends it.
    """
    if ATTACHMENTS.fullmatch(path):
        return int(settings.MAX_UPLOAD_MB) * MIB
    if path == UPLOADS and await _is_staff(headers):
        return DOCUMENTS
    return FORM if path.startswith(ADMIN) else BODY


async def _is_staff(headers: dict[bytes, bytes]) -> bool:
    tenant = await registry.find(headers.get(b"host", b"").decode("latin-1"))
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    return bool(tenant and key and await database_call(tenant, _is_staffs_session, key))


def _is_staffs_session(key: str) -> bool:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    return bool(user.is_active and getattr(user, "is_staff", False))


async def _pieces(receive: Any) -> AsyncIterator[bytes]:
    """The body as it comes. Raises TooLong or TooSlow, also where the client went away."""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise TooSlow(_("The request broke off."))
        yield event.get("body", b"")
        if not event.get("more_body", False):
            return


def _nothing() -> Any:
    """A `receive` for Django, which would read the body to its end: there is none, and the client stays."""
    told = False

    async def receive() -> dict[str, Any]:
        nonlocal told
        if told:
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


def _counted(receive: Any, most: int, bytes_a_second: int) -> Any:
    loop = asyncio.get_running_loop()
    began, bytes, is_over = loop.time(), 0, False

    async def counted() -> Any:
        nonlocal bytes, is_over
        if is_over:
            return await receive()  # waits for the client to go
        try:
            async with asyncio.timeout_at(began + GRACE + bytes / bytes_a_second):
                event = await receive()
        except TimeoutError:
            raise TooSlow(_("The request came too slowly.")) from None
        bytes += len(event.get("body", b""))
        is_over = not event.get("more_body", False)
        if bytes > most:
            raise _too_long(most)
        return event

    return counted


def _too_long(most: int) -> TooLong:
    return TooLong(_("A request may have at most %(limit)d MB.") % {"limit": most // MIB})


async def _refuse(error: KefuError, path: str, send: Any) -> None:
    text, kind = str(error.message), b"text/plain; charset=utf-8"
    if path.startswith("/api/"):
        text, kind = (
            json.dumps({"title": text, "status": error.status, **error.as_dict()}),
            b"application/problem+json",
        )
    await send({"type": "http.response.start", "status": error.status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": text.encode()})
