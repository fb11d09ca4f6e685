"""The HTTP side of the protocol, for widgets, the console and integrators: /api/v1/docs describes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from pydantic import Field

from chat import access, answering, downloads, limits, reading, uploads
from chat.events import (
    LONGEST_TEXT,
    Files,
    Frame,
    FrameId,
    Text,
    ack_frame,
    agent_frame,
    colleague_frame,
    note_frame,
    team_frame,
)
from chat.models import Agent, CannedReply, Conversation, Team, Visitor
from chat.sessions import session_answer
from kefu.errors import BadFrame, Blocked, Forbidden, KefuError, Overloaded
from tenants.addresses import client_address
from tenants.context import database_call
from tenants.models import Tenant

api = NinjaAPI(title="Kefu", version="1", urls_namespace="api", docs_url="/docs")


@api.exception_handler(KefuError)
def say_error(request: HttpRequest, error: KefuError) -> HttpResponse:
    """RFC 9457 problem details, with the code and fields of the socket's error frame."""
    problem = {"title": str(error.message), "status": error.status, **error.as_dict()}
    response = api.create_response(request, problem, status=error.status)
    response["Content-Type"] = "application/problem+json"
    if error.retry_after is not None:
        response["Retry-After"] = str(int(error.retry_after) + 1)
    return response


@api.exception_handler(ValidationError)
def say_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    field = ".".join(str(part) for part in error.errors[0]["loc"])
    return say_error(request, BadFrame(_("The field “%(field)s” is missing or wrong.") % {"field": field}))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def say_away(request: HttpRequest, error: Exception) -> HttpResponse:
    """The database is away, or overloaded."""
    return say_error(request, Overloaded(_("Please try again in a moment."), retry_after=2))


@api.exception_handler(HttpError)
def say_unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    return say_error(request, BadFrame(_("The request could not be read.")))


class Page(Schema):
    url: Text = Field("", max_length=2000)
    title: Text = Field("", max_length=300)
    referrer: Text = Field("", max_length=2000)


class NewSession(Schema):
    locale: str = Field("", max_length=20)
    page: Page | None = None
    token: str = Field("", max_length=500)
    identity: str | None = Field("", max_length=2000)


class NewMessage(Schema):
    id: FrameId
    text: Text = Field("", max_length=LONGEST_TEXT)
    attachments: Files = ()


FILE_AS_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


# --- Visitors ---------------------------------------------------------------------------------------------------------


@api.post("/visitor/sessions", response={201: dict[str, Any]})
async def start_session(request: HttpRequest, wanted: NewSession) -> tuple[int, Frame]:
    tenant = _tenant(request)
    limits.spend_session(tenant, client_address(request))
    locale = "en" if (wanted.locale or tenant.locale).lower().startswith("en") else "zh-hans"
    page = wanted.page.dict() if wanted.page else {}
    with translation.override(locale):
        identity = wanted.identity or ""
        return 201, await database_call(tenant, session_answer, tenant, wanted.token, locale, page, identity)


@api.get("/conversations/{uuid:conversation}/messages")
def history(request: HttpRequest, conversation: UUID, after: int = 0, limit: int = 50) -> Frame:
    _may_read(request, conversation)
    messages, more = reading.messages_after(conversation, max(0, after), max(1, min(limit, reading.PAGE)))
    return {"messages": messages, "more": more}


@api.post("/conversations/{uuid:conversation}/messages")
async def send_message(request: HttpRequest, conversation: UUID, new: NewMessage) -> Frame:
    """The same rules and the same answer as `message.send` on a socket."""
    tenant = _tenant(request)
    visitor = await database_call(tenant, _visitor, request)
    text = limits.checked_text(tenant, new.text, new.attachments)
    message = await answering.receive(
        tenant,
        visitor.pk,
        client_address(request),
        conversation,
        new.id,
        text,
        visitor.locale,
        files=new.attachments,
    )
    return ack_frame(new.id, message)


# --- Files of messages ------------------------------------------------------------------------------------------------


@api.post(
    "/conversations/{uuid:conversation}/attachments",
    response={201: dict[str, Any]},
    openapi_extra=FILE_AS_BODY,
)
async def upload_attachment(request: HttpRequest, conversation: UUID) -> tuple[int, Frame]:
    """The body is the file itself; its name stands in `Content-Disposition`. A message then takes it along by its id."""
    tenant = _tenant(request)
    found, agent = await database_call(tenant, _may_write, request, conversation)
    name = uploads.named(request.headers.get("Content-Disposition", ""))
    size = uploads.length(request.headers.get("Content-Length", ""))
    if await answering.is_forbidden(tenant, name):
        raise Blocked(_("This message cannot be sent."))
    upload = uploads.Upload(tenant, found, agent, client_address(request), name, size)
    row = await uploads.receive(upload, request.scope["kefu.body"])  # type: ignore[attr-defined]  # see kefu.bodies
    return 201, row.as_dict()


@api.get("/conversations/{uuid:conversation}/attachments/{uuid:attachment}")
async def attachment(request: HttpRequest, conversation: UUID, attachment: UUID) -> HttpResponseBase:
    """The file of a message."""
    tenant, address = _tenant(request), client_address(request)

    def find() -> HttpResponseBase:
        found = access.sent_file(_may_read(request, conversation), attachment)
        return downloads.response(tenant, address, found)

    return await database_call(
        tenant, find
    )  # not on the request's own thread, whose connection would wait for the client


# --- Agents -----------------------------------------------------------------------------------------------------------


@api.get("/me")
def me(request: HttpRequest) -> Frame:
    return agent_frame(_agent(request)) | {"locale": translation.get_language()}


@api.get("/agents")
def agents(request: HttpRequest) -> Frame:
    _agent(request)
    rows: Iterable[Any] = Agent.objects.filter(user__is_active=True).with_load()
    return {
        "agents": [colleague_frame(row, row.load) for row in rows],
        "teams": [team_frame(team) for team in Team.objects.prefetch_related("members")],
    }


@api.get("/conversations")
def conversations(request: HttpRequest, list: Literal["mine", "waiting", "all"] = "mine") -> Frame:
    return {"conversations": reading.listed(list, _agent(request))}


@api.get("/conversations/{uuid:conversation}")
def conversation_state(request: HttpRequest, conversation: UUID) -> Frame:
    _agent(request)
    access.agents_conversation(conversation)
    return reading.one(conversation)


@api.get("/conversations/{uuid:conversation}/notes")
def notes(request: HttpRequest, conversation: UUID) -> Frame:
    _agent(request)
    found = access.agents_conversation(conversation)
    return {"notes": [note_frame(note) for note in found.notes.select_related("agent")]}


@api.get("/visitors/{uuid:visitor}/conversations")
def visitor_conversations(request: HttpRequest, visitor: UUID) -> Frame:
    _agent(request)
    return {"conversations": reading.of_visitor(visitor)}


@api.get("/canned-replies")
def canned_replies(request: HttpRequest) -> Frame:
    _agent(request)
    return {"replies": [dict(row) for row in CannedReply.objects.values("shortcut", "title", "text")]}


# --- Who asks ---------------------------------------------------------------------------------------------------------


def _tenant(request: HttpRequest) -> Tenant:
    tenant: Tenant = request.tenant  # type: ignore[attr-defined]
    return tenant


def _agent(request: HttpRequest) -> Agent:
    return access.agent_of_user(request.user)


def _visitor(request: HttpRequest) -> Visitor:
    kind, _space, token = request.headers.get("Authorization", "").partition(" ")
    return access.visitor_of_token(_tenant(request), token if kind == "Bearer" else "")


def _may_read(request: HttpRequest, conversation: UUID) -> Conversation:
    """A visitor reads their own conversation, an agent any of the tenant's."""
    if "Authorization" in request.headers:
        return access.visitors_conversation(_visitor(request).pk, conversation)
    _agent(request)
    return access.agents_conversation(conversation)


def _may_write(request: HttpRequest, conversation: UUID) -> tuple[Conversation, Agent | None]:
    """A visitor writes in their own, an agent in those that they have."""
    if "Authorization" in request.headers:
        return access.visitors_open_conversation(_visitor(request).pk, conversation), None
    if urlsplit(request.headers.get("Origin", "")).netloc != request.get_host():
        # The credential is a cookie, which any page's request carries: as on a socket, an origin must be named, and be ours.
        raise Forbidden(_("This page may not send files."))
    agent = _agent(request)
    return access.agents_own_conversation(agent, conversation), agent
