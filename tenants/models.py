"""Who is served here: tenants, their domains, policies and plans, what they use, and how far their schemas are migrated. All public."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

from tenants.names import HOST, SCHEMA_NAME, check_host, check_schema_name


class Plan(models.Model):  # type: ignore[django-manager-missing]
    """How much a tenant may use. What is used up is answered softly: see tenants.usage."""

    # Made by the migration, without limits: every tenant's, unless another is chosen. Until it is renamed, it is shown translated.
    FIRST, FIRST_NAME = 1, gettext_noop("Unlimited")

    name = models.CharField(_("name"), max_length=100, unique=True)
    agents = models.PositiveIntegerField(_("agents"), default=0)
    conversations = models.PositiveIntegerField(_("conversations in a month"), default=0)
    storage_mb = models.PositiveIntegerField(_("storage in MB"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens of language models in a month"), default=0)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ["name"]

    def __str__(self) -> str:
        return gettext(self.name) if (self.pk, self.name) == (self.FIRST, self.FIRST_NAME) else self.name


class Tenant(TenantMixin):  # type: ignore[misc]
    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        ERASING = "erasing", _("Being erased")  # for good: nothing leads back

    schema_name = models.CharField(_("schema"), max_length=40, unique=True, validators=[check_schema_name])
    name = models.CharField(_("name"), max_length=100)
    locale = models.CharField(_("language"), max_length=10, default="zh-hans")
    time_zone = models.CharField(_("time zone"), max_length=40, default="Asia/Shanghai")
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.ACTIVE)
    plan = models.ForeignKey(
        Plan, models.PROTECT, related_name="tenants", default=Plan.FIRST, verbose_name=_("plan")
    )
    # Moves whenever anything changes that processes keep in memory: see tenants.actions.touch.
    revision = models.BigIntegerField(_("revision"), default=1, editable=False)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    policy: Policy

    auto_create_schema = False  # tenants.actions.add makes it
    is_migrated = True  # as far as this code needs; what the registry hands out knows

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        constraints = [
            models.CheckConstraint(condition=models.Q(schema_name__regex=SCHEMA_NAME), name="schema_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.status == self.Status.ACTIVE


class Domain(DomainMixin):  # type: ignore[misc]
    domain = models.CharField(_("host"), max_length=253, unique=True, validators=[check_host])

    class Meta:
        verbose_name = _("domain")
        verbose_name_plural = _("domains")
        constraints = [models.CheckConstraint(condition=models.Q(domain__regex=HOST), name="host")]


class SchemaState(models.Model):
    """How far a tenant's schema is migrated, and how the last try went; written by whoever migrates it."""

    class State(models.TextChoices):
        READY = "ready", _("Ready")
        MIGRATING = "migrating", _("Migrating")
        FAILED = "failed", _("Failed")

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="schema_state", primary_key=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.READY)
    applied = ArrayField(
        models.CharField(max_length=300), verbose_name=_("migrations")
    )  # "chat.0001_initial", in order
    error = models.TextField(_("error"), blank=True)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("state of a schema")
        verbose_name_plural = _("states of schemas")

    def __str__(self) -> str:
        return f"{self.tenant_id}: {self.state}"

    @property
    def latest(self) -> str:
        return self.applied[-1] if self.applied else ""


def harmless_files() -> list[str]:
    """The kinds of files that may be sent unless the tenant says otherwise: nobody can see what is in an archive."""
    return [kind for kind in Policy.Files.values if kind != Policy.Files.ARCHIVES]


class Usage(models.Model):
    """What a tenant had used when it was last measured: every few minutes, by a worker."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="usage", primary_key=True)
    agents = models.PositiveIntegerField(_("agents"))
    conversations = models.PositiveIntegerField(_("conversations this month"))
    storage_bytes = models.PositiveBigIntegerField(_("bytes of files"))
    measured_at = models.DateTimeField(_("measured"), auto_now=True)


class TokenDay(models.Model):
    """What a tenant's models read and wrote on a day of its own calendar."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="token_days")
    day = models.DateField(_("day"))
    tokens = models.PositiveBigIntegerField(_("tokens"))
    estimated = models.PositiveBigIntegerField(_("of them estimated"))  # their server did not say
    cost = models.PositiveBigIntegerField(_("cost"), default=0)  # millionths, by the prices of the providers

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "day"], name="tenant_day")]


def _share() -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(0), MaxValueValidator(1)]


class Policy(models.Model):
    """What a tenant decides for itself. Times are seconds, shares are between 0 and 1."""

    class Assignment(models.TextChoices):
        OFF = "off", _("Nobody by itself: agents take visitors from the queue")
        LEAST_BUSY = "least_busy", _("The agent with the most room")
        ROUND_ROBIN = "round_robin", _("Each agent in turn")

    class Files(models.TextChoices):
        PICTURES = "pictures", _("Pictures (PNG, JPEG, GIF, WebP)")
        PDF = "pdf", _("PDF")
        OFFICE = "office", _("Office documents")
        TEXT = "text", _("Plain text and CSV")
        ARCHIVES = "archives", _("ZIP archives")

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="policy", primary_key=True)

    # What visitors see
    bot_name = models.CharField(_("name of the bot"), max_length=50, default="小助手")
    greeting = models.TextField(_("greeting"), blank=True)
    suggestions = models.JSONField(_("suggested questions"), default=list, blank=True)
    accent = models.CharField(
        _("colour"), max_length=7, default="#2563eb", validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$")]
    )
    disclaimer = models.CharField(_("AI notice"), max_length=200, blank=True)
    offline_text = models.TextField(_("text while no agent is there"), blank=True)
    # The same for visitors who read English, where that is not the company's own language
    greeting_en = models.TextField(_("greeting in English"), blank=True)
    suggestions_en = models.JSONField(_("suggested questions in English"), default=list, blank=True)
    disclaimer_en = models.CharField(_("AI notice in English"), max_length=200, blank=True)
    offline_text_en = models.TextField(_("text while no agent is there, in English"), blank=True)
    opening_hours = models.JSONField(
        _("opening hours"),
        default=dict,
        blank=True,
        help_text=_('By weekday, for example {"mon": ["09:00-18:00"]}'),
    )
    holidays = models.BooleanField(_("closed on public holidays of China"), default=False)
    closed_days = models.JSONField(_("other closed days"), default=list, blank=True)  # ["2026-12-31"]
    # {"2026-10-03": ["10:00-16:00"]}; no span: the usual hours
    open_days = models.JSONField(_("other open days"), default=dict, blank=True)
    widget_origins = models.JSONField(
        _("sites that may embed the widget"),
        default=list,
        blank=True,
        help_text=_("For example https://shop.example"),
    )

    notify_email = models.EmailField(
        _("e-mail address that is told of questions left while nobody was there"), blank=True
    )

    # Who gets a visitor that waits for a person
    assignment = models.CharField(
        _("who gets the next visitor"), max_length=20, choices=Assignment.choices, default=Assignment.OFF
    )
    agent_silence = models.PositiveIntegerField(
        _("seconds until a visitor whom nobody answers goes to another agent"), default=0
    )

    # How the bot answers
    tone = models.TextField(_("tone"), blank=True, help_text=_("How the bot speaks; part of every prompt"))
    dense_weight = models.FloatField(_("weight of meaning versus keywords"), default=0.4, validators=_share())
    passages = models.PositiveSmallIntegerField(_("passages in a prompt"), default=4)
    use_model = models.BooleanField(_("use a language model"), default=True)
    mask_personal_data = models.BooleanField(_("hide personal data from the model"), default=True)
    turn_deadline = models.PositiveSmallIntegerField(_("seconds for one answer"), default=60)
    answers_kept = models.PositiveSmallIntegerField(
        _("hours that a model's answer is given again to who asks just the same"), default=24
    )
    blocked_text = models.CharField(_("text for a refused message"), max_length=200, blank=True)

    # When the bot steps down a rung, 0 is never: see inference.degrade
    ladder_first_token = models.FloatField(
        _("seconds until a model's first words, on average"), default=20, validators=[MinValueValidator(0)]
    )
    ladder_errors = models.FloatField(
        _("share of questions to a model that fail"), default=0.5, validators=_share()
    )
    ladder_load = models.FloatField(_("load of a model server"), default=0.95, validators=_share())
    ladder_wait = models.FloatField(
        _("seconds that a question waits for its turn"), default=8, validators=[MinValueValidator(0)]
    )
    ladder_stay = models.PositiveIntegerField(_("seconds until the bot tries to do better again"), default=30)

    # Budgets of a day, 0 is none: see tenants.budgets
    visitor_day_tokens = models.PositiveIntegerField(_("tokens for one visitor in a day"), default=0)
    day_tokens = models.PositiveBigIntegerField(_("tokens in a day"), default=0)
    day_cost = models.DecimalField(
        _("cost of language models in a day"),
        max_digits=12,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0)],
    )

    # Limits: 0 is none. Many people may share one address, in an office or a mobile network: what is counted by address only stops
    # floods. Connections are counted by each web process for itself.
    max_text = models.PositiveIntegerField(
        _("longest message"), default=4000, validators=[MaxValueValidator(4000)]
    )
    messages_per_minute = models.PositiveIntegerField(
        _("messages a visitor may send in a minute"), default=20
    )
    address_messages_per_minute = models.PositiveIntegerField(
        _("messages that may come from an IP address in a minute"), default=1200
    )
    tenant_messages_per_minute = models.PositiveIntegerField(
        _("messages that all visitors together may send in a minute"), default=30_000
    )
    sessions_per_hour = models.PositiveIntegerField(
        _("sessions an IP address may start in an hour"), default=600
    )
    sockets_per_visitor = models.PositiveIntegerField(
        _("connections that a visitor or an agent may have open"), default=20
    )
    sockets_per_address = models.PositiveIntegerField(
        _("connections that an IP address may have open"), default=1000
    )
    sockets_per_tenant = models.PositiveIntegerField(
        _("connections that may be open altogether"), default=20_000
    )
    frames_per_ten_seconds = models.PositiveIntegerField(
        _("frames that a connection may send in ten seconds"), default=300
    )

    # Files, from visitors and agents; what is counted is the visitors'
    uploads = models.BooleanField(_("files may be sent"), default=True)
    upload_kinds = models.JSONField(_("kinds of files"), default=harmless_files, blank=True)  # of Files
    upload_mb = models.PositiveIntegerField(_("largest file in MB"), default=10)
    files_per_message = models.PositiveSmallIntegerField(
        _("files a message may have"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
    )
    uploads_per_minute = models.PositiveIntegerField(_("files a visitor may upload in a minute"), default=20)
    address_uploads_per_minute = models.PositiveIntegerField(
        _("files that may come from an IP address in a minute"), default=300
    )
    upload_mb_per_day = models.PositiveIntegerField(_("MB a visitor may upload in a day"), default=100)

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policies")

    def __str__(self) -> str:
        return self.tenant.name

    def words(self, name: str, locale: str) -> Any:
        """The greeting, say, for who reads `locale`: empty where the company wrote none, and the product's own words have to do."""
        if locale == self.tenant.locale:
            return getattr(self, name)
        return getattr(self, f"{name}_en") if locale == "en" else type(getattr(self, name))()
