"""E-mails to the company: that a visitor left a question while nobody was there."""

from __future__ import annotations

from email.utils import parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPServerDisconnected
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import outbox
from chat.models import Conversation, Effect, Message
from tenants.models import Tenant

SHOWN = 20  # of the visitor's last messages
LONGEST = 1000  # characters of each


def question_left(conversation: Conversation) -> None:
    """Inside the schema and the transaction in which the visitor began to wait. Nothing where the company wants no e-mail."""
    address = connection.tenant.policy.notify_email  # type: ignore[attr-defined]
    if address and settings.EMAIL_URL:
        outbox.record(Effect.Kind.EMAIL, address, {"conversation": str(conversation.pk)})


def deliver(tenant: Tenant, effect: Effect) -> None:
    """One try. Raises outbox.NotDone."""
    conversation = (
        Conversation.objects.select_related("visitor").filter(pk=effect.payload["conversation"]).first()
    )
    if conversation is None:
        raise outbox.NotDone(_("The conversation was deleted."), permanent=True)
    try:
        _notice(tenant, effect, conversation).send()
    except (SMTPException, BadHeaderError, OSError) as error:
        raise _failure(error) from error


def _notice(tenant: Tenant, effect: Effect, conversation: Conversation) -> EmailMessage:
    """With the same Message-ID on every try: mail systems drop what they have already."""
    sender = settings.DEFAULT_FROM_EMAIL
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return EmailMessage(
        _("%(company)s: a visitor left a question") % {"company": " ".join(tenant.name.split())},
        _text(tenant, conversation),
        sender,
        [effect.target],
        headers={"Message-ID": f"<{effect.pk.hex}@{domain}>", "Auto-Submitted": "auto-generated"},
    )


def _text(tenant: Tenant, conversation: Conversation) -> str:
    written = conversation.messages.filter(sender_kind=Message.Sender.VISITOR).order_by("-seq")[:SHOWN]
    lines = [
        _("%(visitor)s wrote while nobody was there:") % {"visitor": conversation.visitor.name},
        "",
        *(_quoted(message, ZoneInfo(tenant.time_zone)) for message in reversed(written)),
        "",
        _("Answer in the console: %(address)s") % {"address": _console(tenant)},
    ]
    return "\n".join(lines)


def _quoted(message: Message, zone: ZoneInfo) -> str:
    at = f"{timezone.localtime(message.created_at, zone):%Y-%m-%d %H:%M}"
    files = [f"[{file['name']}]" for file in message.attachments]
    return f"{at}\n" + "\n".join(f"> {line}" for line in [*message.text[:LONGEST].splitlines(), *files])


def _console(tenant: Tenant) -> str:
    domain = tenant.domains.order_by("-is_primary").first()
    scheme = "https" if settings.SECURE_TLS else "http"
    return f"{scheme}://{domain}/console/"


def _failure(error: Exception) -> outbox.NotDone:
    """A 5xx answer is the mail server's last word; a connection that ends is worth another try."""
    code = getattr(error, "smtp_code", 0)
    if isinstance(error, SMTPRecipientsRefused):
        code = min(code for code, _reason in error.recipients.values())
    permanent = code >= 500 or isinstance(error, BadHeaderError)
    away = not isinstance(error, SMTPException | BadHeaderError) or isinstance(error, SMTPServerDisconnected)
    return outbox.NotDone(f"{type(error).__name__}: {error}"[:300], permanent=permanent, unreachable=away)
