"""Who talked to whom, and what was said. Every table lives in the tenant's own schema."""

from __future__ import annotations

import shutil
import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.contrib.postgres.indexes import BrinIndex
from django.core.files.storage import default_storage
from django.db import connection, models, transaction
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tenants.encrypted import EncryptedTextField
from tenants.names import PUBLIC

FILES = "attachments"  # a folder of the tenant's own, with one in it for each conversation
SILENCE = timedelta(seconds=75)  # three heartbeats without a word: a console is gone


class Visitor(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, blank=True)
    # The site's own id of who is logged in there, as it has signed (see chat.identity), and until when that counts
    external_id = models.CharField(
        _("account"), max_length=200, blank=True, default="", db_default="", editable=False
    )
    identified_until = models.DateTimeField(null=True, blank=True, editable=False)
    locale = models.CharField(_("language"), max_length=10, default="zh-hans")
    # The page the visitor came from last: {"url", "title", "referrer"}
    page = models.JSONField(_("page"), default=dict, blank=True)
    created_at = models.DateTimeField(_("first seen"), auto_now_add=True)
    seen_at = models.DateTimeField(_("last seen"), auto_now=True)
    erasing_since = models.DateTimeField(null=True, editable=False)  # for good: see chat.visitors.erasing

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        indexes = [
            models.Index(
                fields=["external_id", "-seen_at"],
                condition=~models.Q(external_id=""),
                name="visitor_account",
            ),
            models.Index(
                fields=["erasing_since"],
                condition=models.Q(erasing_since__isnull=False),
                name="visitor_erasing",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def account(self) -> str:
        """Who this is to the site, as far as the site vouches for it at this moment; else empty."""
        until = self.identified_until
        return self.external_id if until and until > timezone.now() else ""


class AgentQuerySet(models.QuerySet["Agent"]):
    def reachable(self) -> AgentQuerySet:
        """Who is online and whose console was heard of lately."""
        lately = timezone.now() - SILENCE
        return self.filter(presence=Agent.Presence.ONLINE, seen_at__gt=lately, user__is_active=True)

    def with_load(self) -> AgentQuerySet:
        """Each with `load`: how many conversations they have."""
        theirs = Conversation.objects.filter(agent=models.OuterRef("pk"), state=Conversation.State.AGENT)
        count = theirs.order_by().values("agent").annotate(count=models.Count("pk")).values("count")
        return self.annotate(load=Coalesce(models.Subquery(count), 0))


def with_the_login(collector: Any, field: Any, agents: Any, using: str) -> None:
    """CASCADE, but not for the platform's own logins: they are nobody's agents, and public has no such table to look into."""
    if connection.schema_name != PUBLIC:  # type: ignore[attr-defined]
        models.CASCADE(collector, field, agents, using)


with_the_login.lazy_sub_objs = True  # type: ignore[attr-defined]  # Django's word for: ask nothing before it is called


class Agent(models.Model):
    """A person who answers. The login is Django's user; this is what visitors and colleagues see of it."""

    class Presence(models.TextChoices):
        ONLINE = "online", _("Online")
        BUSY = "busy", _("Busy")
        AWAY = "away", _("Away")

    user = models.OneToOneField(User, with_the_login, related_name="agent", verbose_name=_("login"))
    name = models.CharField(_("name shown"), max_length=50)
    presence = models.CharField(_("presence"), max_length=10, choices=Presence.choices, default=Presence.AWAY)
    limit = models.PositiveSmallIntegerField(
        _("conversations at once"),
        default=5,
        help_text=_("Assigned by itself up to this number; 0: none. By hand an agent may take more."),
    )
    languages = models.JSONField(_("languages"), default=list, blank=True)  # of settings.LANGUAGES; none: all

    seen_at = models.DateTimeField(null=True, blank=True, editable=False)  # the last heartbeat of a console
    assigned_at = models.DateTimeField(null=True, blank=True, editable=False)  # when one was last assigned

    objects = AgentQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_heard(self) -> bool:
        """Whether a console of theirs is there, whatever they chose to be."""
        return bool(self.seen_at and self.seen_at > timezone.now() - SILENCE)


class Team(models.Model):
    """Agents who answer for the same matters."""

    name = models.CharField(_("name"), max_length=50, unique=True)
    members = models.ManyToManyField(Agent, related_name="teams", blank=True, verbose_name=_("agents"))
    # Who is connected with a person after asking about one of these gets one of this team.
    intents = models.ManyToManyField(
        "inference.Intent", related_name="+", blank=True, verbose_name=_("matters")
    )

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Conversation(models.Model):
    class State(models.TextChoices):
        BOT = "bot", _("Bot")
        WAITING = "waiting", _("Waiting for a person")
        AGENT = "agent", _("With an agent")
        CLOSED = "closed", _("Closed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    visitor = models.ForeignKey(
        Visitor, models.CASCADE, related_name="conversations", verbose_name=_("visitor")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.BOT)
    # Every change of state increments it; what was started under an older epoch is not written.
    epoch = models.PositiveIntegerField(_("epoch"), default=1)
    agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, blank=True, related_name="conversations", verbose_name=_("agent")
    )
    agent_since = models.DateTimeField(null=True, blank=True, editable=False)  # when the agent got it
    # Agents who let the visitor wait, or passed them on to a team, since anybody answered
    let_go_by = models.JSONField(null=True, blank=True, editable=False)
    team = models.ForeignKey(
        Team, models.SET_NULL, null=True, blank=True, db_index=False, verbose_name=_("team")
    )
    reason = models.CharField(_("reason for the hand-over"), max_length=200, blank=True)
    last_seq = models.PositiveIntegerField(_("messages"), default=0)
    agent_read_seq = models.PositiveIntegerField(default=0)
    visitor_read_seq = models.PositiveIntegerField(default=0)
    # The visitor's messages after `agent_read_seq`, counted as they come
    unread = models.PositiveIntegerField(default=0, editable=False)
    rating = models.PositiveSmallIntegerField(_("rating"), null=True, blank=True)
    rating_comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last change"), auto_now=True)
    waiting_since = models.DateTimeField(_("waiting since"), null=True, blank=True)
    place = models.PositiveIntegerField(db_default=0, editable=False)  # in the queue, as the visitor knows it
    closed_at = models.DateTimeField(pgettext_lazy("when", "closed"), null=True, blank=True)

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated_at"]
        indexes = [
            # The queue, and each agent's own list
            models.Index(
                fields=["waiting_since"], condition=models.Q(state="waiting"), name="conversation_queue"
            ),
            models.Index(
                fields=["agent", "-updated_at"], condition=models.Q(state="agent"), name="conversation_mine"
            ),
            models.Index(fields=["visitor", "-created_at"], name="conversation_visitor"),
            # How long agents took lately
            models.Index(
                fields=["-closed_at"],
                condition=models.Q(state="closed", agent__isnull=False),
                name="conversation_handled",
            ),
            # The admin: its list, its search by date and its overview
            models.Index(fields=["-updated_at"], name="conversation_newest"),
            models.Index(fields=["created_at"], name="conversation_started"),
        ]

    def __str__(self) -> str:
        return f"{self.visitor.name} · {timezone.localtime(self.created_at):%Y-%m-%d %H:%M}"

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """With its files, once that is committed. Deleted in any other way, it leaves them to `chat.uploads.tidy`."""
        folder = default_storage.path(f"{FILES}/{self.pk}")
        deleted = super().delete(*args, **kwargs)
        transaction.on_commit(partial(shutil.rmtree, folder, ignore_errors=True))
        return deleted


class Message(models.Model):
    class Sender(models.TextChoices):
        VISITOR = "visitor", _("Visitor")
        BOT = "bot", _("Bot")
        AGENT = "agent", _("Agent")
        SYSTEM = "system", _("System")

    # Found through `message_seq`: each further index is written to with every message
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages", db_index=False)
    seq = models.PositiveIntegerField()  # counts every message of the conversation from 1, without holes
    client_id = models.CharField(
        max_length=64, null=True, blank=True
    )  # chosen by the sender: a resend is recognised
    sender_kind = models.CharField(_("sender"), max_length=10, choices=Sender.choices)
    sender_name = models.CharField(_("name"), max_length=100, blank=True)
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True, blank=True, db_index=False)
    text = models.TextField(_("text"))
    html = models.TextField(blank=True)  # rendered and sanitised once; empty for plain text
    mode = models.CharField(_("kind of answer"), max_length=20, blank=True)
    sources = models.JSONField(_("sources"), default=list, blank=True)
    # How the answer came about, step by step; what the bot asked: see inference.turn
    path = models.JSONField(_("how this answer came about"), default=dict, blank=True)
    # What frames show of its files, each as Attachment.as_dict gives it
    attachments = models.JSONField(
        _("files"), default=list, blank=True, db_default=models.Value([], models.JSONField())
    )
    stream = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["seq"]
        indexes = [
            BrinIndex(fields=["created_at"], name="message_created"),
            models.Index(fields=["agent"], condition=models.Q(agent__isnull=False), name="message_agent"),
            models.Index(fields=["-id"], condition=models.Q(mode="unknown"), name="message_unknown"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="message_seq"),
            models.UniqueConstraint(
                fields=["conversation", "sender_kind", "client_id"],
                condition=models.Q(client_id__isnull=False),
                name="message_client_id",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Attachment(models.Model):
    """A file that was uploaded into a conversation, for a message to take along; one that no message takes is deleted after a day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="attachments")
    message = models.ForeignKey(Message, models.CASCADE, null=True, blank=True, related_name="files")
    sender_kind = models.CharField(_("sender"), max_length=10, choices=Message.Sender.choices)
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True, blank=True)
    name = models.CharField(_("name"), max_length=150)
    type = models.CharField(_("media type"), max_length=100)  # by its content, whatever was claimed
    size = models.PositiveBigIntegerField(_("size"))
    width = models.PositiveIntegerField(null=True, blank=True)  # of a picture
    height = models.PositiveIntegerField(null=True, blank=True)
    file = models.FileField(max_length=200)
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes = [
            models.Index(
                fields=["created_at"], condition=models.Q(message__isnull=True), name="attachment_unsent"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def as_dict(self) -> dict[str, Any]:
        """As `chat.drafts` builds it in SQL."""
        shown = {"id": str(self.pk), "name": self.name, "type": self.type, "size": self.size}
        return shown | ({"width": self.width, "height": self.height} if self.width else {})


class Note(models.Model):
    """What agents tell each other about a conversation; never shown to the visitor, and counted on its own."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="notes")
    n = models.PositiveIntegerField()
    agent = models.ForeignKey(Agent, models.SET_NULL, null=True)
    text = models.TextField(_("text"))
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering = ["n"]
        constraints = [models.UniqueConstraint(fields=["conversation", "n"], name="note_n")]

    def __str__(self) -> str:
        return self.text[:80]


class PendingTurn(models.Model):
    """The bot's one turn in flight in a conversation: written with the question, deleted with the answer.

    It is the outbox (a sweeper sends it to the workers again when Redis forgot), the claim (`lease_until`: a task delivered twice
    acts once) and the fence (`epoch`: an answer is written only while the conversation is still in it).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # also the id of the stream
    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="pending_turn")
    through_seq = models.PositiveIntegerField()  # answers the visitor's messages up to this one
    epoch = models.PositiveIntegerField()
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField()  # when it was last put onto the queue
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.id)


class Case(models.Model):
    """A complaint that was taken; its number is what the visitor was told."""

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="cases", verbose_name=_("conversation")
    )
    text = models.TextField(_("what the visitor wrote"))
    is_settled = models.BooleanField(_("settled"), default=False)
    created_at = models.DateTimeField(_("taken"), auto_now_add=True)

    class Meta:
        verbose_name = _("complaint")
        verbose_name_plural = _("complaints")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return f"C{timezone.localtime(self.created_at):%y%m%d}-{self.pk:04d}"


class Feedback(models.Model):
    """A thumb up (1) or down (-1) under one of the bot's messages."""

    message = models.OneToOneField(Message, models.CASCADE, related_name="feedback")
    score = models.SmallIntegerField(_("score"))
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")

    def __str__(self) -> str:
        return f"{self.score:+d}"


class CannedReply(models.Model):
    shortcut = models.SlugField(_("shortcut"), unique=True, allow_unicode=True)
    title = models.CharField(_("title"), max_length=100)
    text = models.TextField(_("text"), help_text=_("{name} becomes the visitor's name"))

    class Meta:
        verbose_name = _("canned reply")
        verbose_name_plural = _("canned replies")
        ordering = ["shortcut"]

    def __str__(self) -> str:
        return self.title


class Webhook(models.Model):
    """An address of the company's own that is told what happens here."""

    name = models.CharField(_("name"), max_length=100)
    url = models.CharField(_("address"), max_length=500)
    secret = EncryptedTextField(_("secret"))
    events = models.JSONField(_("events"), default=list)  # of chat.webhooks.EVENTS
    is_enabled = models.BooleanField(_("enabled"), default=True)
    trouble = models.CharField(_("why it was switched off"), max_length=300, blank=True, editable=False)
    answered_at = models.DateTimeField(_("last success"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class IdentityKey(models.Model):
    """With which the company's site signs who its visitor is. Several may count at a time, so that one can replace another."""

    name = models.CharField(_("name"), max_length=100)
    secret = EncryptedTextField(_("secret"))
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("key for logged-in visitors")
        verbose_name_plural = _("keys for logged-in visitors")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class VisitorDay(models.Model):
    """What a visitor's answers took of language models on a day of the tenant's calendar."""

    visitor = models.ForeignKey(Visitor, models.CASCADE, related_name="days")
    day = models.DateField(_("day"))
    tokens = models.PositiveBigIntegerField(_("tokens"), db_default=0)
    cost = models.PositiveBigIntegerField(_("cost"), db_default=0)  # millionths

    class Meta:
        constraints = [models.UniqueConstraint(fields=["visitor", "day"], name="visitor_day")]
        indexes = [models.Index(fields=["day", "tokens"], name="visitor_day_tokens")]


class EffectQuerySet(models.QuerySet["Effect"]):
    def pending(self) -> EffectQuerySet:
        return self.filter(done_at=None, failed_at=None)

    def due(self, now: datetime) -> EffectQuerySet:
        """What somebody should do now: its time has come, and nobody is at it."""
        free = models.Q(lease_until=None) | models.Q(lease_until__lt=now)
        return self.pending().filter(free, due_at__lte=now)


class Effect(models.Model):
    """What follows in the world outside from something that was committed: recorded with it, done by a worker afterwards.

    It is the outbox (a sweeper has it done again when Redis or a worker forgot it), the claim (`lease_until`: of two workers one
    acts) and the record that the company sees. Its `id` stays the same over every try.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", _("Webhook")
        EMAIL = "email", _("E-mail")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    target = models.CharField(_("to"), max_length=320)  # a webhook's number, an address
    payload = models.JSONField(_("content"))
    created_at = models.DateTimeField(_("recorded"), db_default=Now())
    due_at = models.DateTimeField(_("next try"), db_default=Now())
    attempts = models.PositiveSmallIntegerField(_("tries"), db_default=0)
    lease_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(_("done"), null=True)
    failed_at = models.DateTimeField(_("given up"), null=True)
    last_error = models.CharField(_("last error"), max_length=300, db_default="")

    objects = EffectQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(
                fields=["kind", "target", "due_at"],
                condition=models.Q(done_at=None, failed_at=None),
                name="effect_pending",
            ),
            models.Index(fields=["-created_at"], name="effect_newest"),
        ]

    def __str__(self) -> str:
        return str(self.id)
