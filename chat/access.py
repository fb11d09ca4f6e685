"""Who may see and do what: each function returns the object or raises. There is no other door."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import signing
from django.db.models import F, OuterRef, Subquery
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.models import Agent, Attachment, Conversation, Visitor
from kefu.errors import NotFound, Unauthorised, WrongState
from tenants.gather import of_tenants
from tenants.models import Tenant

TOKEN_AGE = 180 * 24 * 3600  # seconds a visitor's token is good for


def visitor_token(tenant: Tenant, visitor: Visitor) -> str:
    return signing.dumps(str(visitor.pk), salt=_salt(tenant), compress=True)


def visitor_of_token(tenant: Tenant, token: str) -> Visitor:
    """Raises Unauthorised for a token that is forged, too old, another tenant's, or of a visitor who is gone."""
    found = Visitor.objects.filter(pk=_signed_visitor(tenant, token), erasing_since=None).first()
    if found is None:
        raise _stranger()
    return found


class Caller(NamedTuple):
    """What a socket keeps of its visitor."""

    pk: UUID
    name: str
    locale: str
    conversation: UUID  # the open one, or the last closed one


async def caller_of_token(tenant: Tenant, token: str) -> Caller:
    """`visitor_of_token` for sockets: of all who say hello at once. Raises NotFound, too, where there is no conversation."""
    found = await _called((tenant, _signed_visitor(tenant, token)))
    if found is None:
        raise _stranger()
    if found.conversation is None:
        raise NotFound(_("There is no such conversation."))
    return found


def _callers(visitors: list[UUID]) -> list[Caller | None]:
    theirs = Conversation.objects.filter(visitor=OuterRef("pk"))
    newest = theirs.order_by(Exact(F("state"), Conversation.State.CLOSED), "-created_at").values("pk")[:1]
    standing = Visitor.objects.filter(pk__in=visitors, erasing_since=None)
    rows = standing.values_list("pk", "name", "locale", Subquery(newest))
    found = {row[0]: Caller(*row) for row in rows}
    return [found.get(visitor) for visitor in visitors]


_called = of_tenants(_callers)


def _signed_visitor(tenant: Tenant, token: str) -> UUID:
    try:
        return UUID(signing.loads(token, salt=_salt(tenant), max_age=TOKEN_AGE))
    except (signing.BadSignature, ValueError, TypeError):
        raise _stranger() from None


def _stranger() -> Unauthorised:
    return Unauthorised(_("Please open the chat again."))


def _salt(tenant: Tenant) -> str:
    # The row's own number too: a name that is used again does not bring old tokens back to life.
    return f"visitor:{tenant.schema_name}:{tenant.pk}"


def agent_of_session(session_key: str | None) -> Agent:
    """The agent behind a login cookie, for sockets. Inside the tenant's schema, where its sessions are kept."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return agent_of_user(get_user(request))


def standing_logins(session_keys: set[str]) -> set[str]:
    """Those that still open the console: not logged out, not expired, not deactivated, no new password since.

    What `agent_of_session` asks of one, in two queries for all: open consoles are asked about again and again.
    """
    sessions = Session.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
    logins = {session.session_key: session.get_decoded() for session in sessions}
    users = User.objects.filter(pk__in=[login.get(SESSION_KEY) for login in logins.values()])
    hashes = {
        str(user.pk): {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
        for user in users.filter(is_active=True, agent__isnull=False)
    }
    return {
        key
        for key, login in logins.items()
        if login.get(HASH_SESSION_KEY) in hashes.get(login.get(SESSION_KEY, ""), ())
    }


def agent_of_user(user: Any) -> Agent:
    agent = (
        Agent.objects.filter(user_id=user.pk, user__is_active=True).first() if user.is_authenticated else None
    )
    if agent is None:
        raise Unauthorised(_("Please log in as an agent."))
    return agent


def visitors_conversation(visitor_id: UUID, conversation_id: UUID, *, lock: bool = False) -> Conversation:
    """Raises NotFound also for a conversation that is somebody else's."""
    return _conversation(lock, pk=conversation_id, visitor_id=visitor_id)


def visitors_open_conversation(visitor_id: UUID, conversation_id: UUID) -> Conversation:
    """One that the visitor may write in. Raises NotFound or WrongState."""
    conversation = visitors_conversation(visitor_id, conversation_id)
    if conversation.state == Conversation.State.CLOSED:
        raise WrongState(_("This conversation is closed."))
    return conversation


def agents_own_conversation(agent: Agent, conversation_id: UUID) -> Conversation:
    """One that the agent may write in. Raises NotFound or WrongState."""
    conversation = agents_conversation(conversation_id)
    if conversation.state != Conversation.State.AGENT or conversation.agent_id != agent.pk:
        raise WrongState(_("Take the conversation over first."))
    return conversation


def sent_file(conversation: Conversation, attachment_id: UUID) -> Attachment:
    """A file of one of the conversation's messages; whoever may read those may have it. Raises NotFound."""
    found = conversation.attachments.filter(pk=attachment_id, message__isnull=False).first()
    if found is None:
        raise NotFound(_("There is no such file."))
    return found


def agents_conversation(conversation_id: UUID, *, lock: bool = False) -> Conversation:
    """Agents of a tenant see all of its conversations."""
    return _conversation(lock, pk=conversation_id)


def _conversation(lock: bool, **which: Any) -> Conversation:
    """Locked, the agent is read after the lock is held: joined in, PostgreSQL would give who it was before the wait."""
    if lock:
        rows = Conversation.objects.select_for_update(of=("self",)).select_related("visitor")
    else:
        rows = Conversation.objects.select_related("visitor", "agent")
    found = rows.filter(**which).first()
    if found is None:
        raise NotFound(_("There is no such conversation."))
    return found
