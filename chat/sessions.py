"""What a visitor's page gets when it opens the chat."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from chat import access, actions
from chat.events import Frame
from chat.identity import Identity, read_identity
from chat.limits import uploads_frame
from chat.models import Agent, Conversation, Visitor
from inference.opening import opening_text
from kefu.errors import Unauthorised
from tenants.hours import now_at
from tenants.models import Tenant


def session_answer(
    tenant: Tenant, token: str, locale: str, page: dict[str, str], identity: str = ""
) -> Frame:
    who = read_identity(identity)
    visitor, conversation = actions.start_session(_visitor(tenant, token, who), locale, page, who)
    return {
        "token": access.visitor_token(tenant, visitor),
        "expires_at": (timezone.now() + timedelta(seconds=access.TOKEN_AGE)).isoformat(timespec="seconds"),
        "visitor": {"id": str(visitor.pk), "name": visitor.name, "identified": bool(visitor.account)},
        "conversation": _conversation(conversation),
        "policy": _policy(tenant, locale),
    }


def _visitor(tenant: Tenant, token: str, who: Identity | None) -> Visitor | None:
    """Whose visit goes on; None: a new one's. Several people may use a browser, so nobody goes on with what is an account's without it."""
    known = _known(tenant, token)
    if who is None:
        return known if known and not known.external_id else None
    if known and known.external_id == who.account:
        return known
    began = known if known and not known.external_id else None
    if not who.is_current or (began and began.conversations.filter(last_seq__gt=0).exists()):
        return began  # what was begun before logging in goes on after it
    return Visitor.objects.filter(external_id=who.account).order_by("-seen_at").first() or began


def _known(tenant: Tenant, token: str) -> Visitor | None:
    """A token that is no longer good starts anew instead of locking the visitor out."""
    try:
        return access.visitor_of_token(tenant, token) if token else None
    except Unauthorised:
        return None


def _conversation(conversation: Conversation) -> Frame:
    return {
        "id": str(conversation.pk),
        "seq": conversation.last_seq,
        "state": conversation.state,
        "epoch": conversation.epoch,
    }


def _policy(tenant: Tenant, locale: str) -> Frame:
    policy = tenant.policy
    return {
        "company": tenant.name,
        "bot_name": policy.bot_name,
        "greeting": policy.words("greeting", locale),
        "suggestions": policy.words("suggestions", locale),
        "accent": policy.accent,
        "disclaimer": policy.words("disclaimer", locale)
        or _("Answers are written by an AI and may be wrong."),
        "max_text": policy.max_text,
        "uploads": uploads_frame(tenant),
        "locale": locale,
        "agents_online": Agent.objects.reachable().exists(),
        "offline_text": policy.words("offline_text", locale) or opening_text(policy, now_at(tenant)),
        "can_ask_agent": True,
    }
