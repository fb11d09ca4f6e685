"""What a tenant teaches its bot besides documents: intents, look-ups, model servers, words that must not be said."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from inference.local.folders import names
from tenants.encrypted import EncryptedTextField

EMPTY = models.Value({}, models.JSONField())
AUTHORIZATION = "Authorization"
NOTHING = MinValueValidator(0)


class Connector(models.Model):
    """A business look-up whose result is worded by a template, without a model; where the company allows it, models may ask it, too.

    What depends on the visitor stands as a name: as %(name)s in SQL, as {name} everywhere else. The names are those of the slots,
    and `visitor_id`, the site's own word for who is logged in.
    """

    class Kind(models.TextChoices):
        SQL = "sql", _("SQL query")
        HTTP = "http", _("HTTP request")
        MCP = "mcp", _("Tool of an MCP server")

    class Method(models.TextChoices):
        GET = "GET", "GET"
        POST = "POST", "POST"

    name = models.SlugField(_("name"), unique=True, allow_unicode=False)
    title = models.CharField(_("title"), max_length=100, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.SQL)

    query = models.TextField(_("query"), blank=True, help_text=_("One SELECT; slots as %(name)s"))
    method = models.CharField(
        _("method"), max_length=10, choices=Method.choices, default=Method.GET, db_default=Method.GET
    )
    url = models.CharField(_("address"), max_length=500, blank=True, default="", db_default="")
    headers = models.JSONField(_("headers"), default=dict, blank=True, db_default=EMPTY)
    secret_header = models.CharField(
        _("header of the secret"), max_length=100, default=AUTHORIZATION, db_default=AUTHORIZATION
    )
    secret = EncryptedTextField(_("secret"), blank=True, default="", db_default="")
    tool = models.CharField(_("tool"), max_length=200, blank=True, default="", db_default="")
    # {name} inside its texts
    body = models.JSONField(_("body or arguments"), default=dict, blank=True, db_default=EMPTY)
    # {column: path in the reply}
    columns = models.JSONField(_("columns"), default=dict, blank=True, db_default=EMPTY)

    # {slot: {"kind": of inference.slots.KINDS, "pattern": regex, "ask": sentence, "upper": bool, "personal": bool}};
    # beside "ask" there may be "ask_en"
    slots = models.JSONField(_("slots"), default=dict, blank=True)
    needs_identity = models.BooleanField(
        _("personal"),
        default=False,
        db_default=False,
        help_text=_(
            "Answered only to visitors whom your site has vouched for, and only about what is theirs."
        ),
    )
    owner_column = models.CharField(
        _("column of the owner"),
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text=_("Holds the owner's id; a row of somebody else counts as not found."),
    )

    template = models.TextField(_("answer"), help_text=_("Write columns of the first row as {column}"))
    by_status = models.JSONField(_("answers by status"), default=dict, blank=True)
    nothing_found = models.TextField(_("answer when nothing was found"), blank=True)
    # What stands in the fields of the same names, for visitors who read English; see inference.filling.in_language
    template_en = models.TextField(_("answer in English"), blank=True, default="", db_default="")
    by_status_en = models.JSONField(
        _("answers by status in English"), default=dict, blank=True, db_default=EMPTY
    )
    nothing_found_en = models.TextField(
        _("answer when nothing was found, in English"), blank=True, default="", db_default=""
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    model_may_ask = models.BooleanField(
        _("the model may ask it"),
        default=False,
        db_default=False,
        help_text=_(
            "A language model that calls tools may ask this look-up by itself, with what the visitor has named. "
            "The answer below goes to the model's server; what is personal is still found for its owner only."
        ),
    )

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")

    def __str__(self) -> str:
        return self.title or self.name

    @property
    def is_personal(self) -> bool:
        return self.needs_identity or any(slot.get("personal") for slot in self.slots.values())


class Intent(models.Model):
    class Action(models.TextChoices):
        NONE = "none", _("Answer from knowledge")
        REPLY = "reply", _("Fixed reply")
        HAND_OVER = "hand_over", _("Call a person")
        COMPLAINT = "complaint", _("Take a complaint")
        LOOK_UP = "look_up", _("Look up")
        OPENING_HOURS = "opening_hours", _("Tell the opening hours")

    name = models.SlugField(_("name"), unique=True, allow_unicode=False)
    title = models.CharField(_("title"), max_length=100)
    action = models.CharField(_("action"), max_length=20, choices=Action.choices, default=Action.NONE)
    reply = models.TextField(_("reply"), blank=True)
    reply_en = models.TextField(
        _("reply in English"),
        blank=True,
        default="",
        db_default="",
        help_text=_("For visitors who read English; without it they get the one above."),
    )
    connector = models.ForeignKey(
        Connector, models.SET_NULL, null=True, blank=True, verbose_name=_("connector")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("intent")
        verbose_name_plural = _("intents")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title or self.name


class IntentExample(models.Model):
    intent = models.ForeignKey(Intent, models.CASCADE, related_name="examples")
    text = models.CharField(_("example"), max_length=500)

    class Meta:
        verbose_name = _("example")
        verbose_name_plural = _("examples")

    def __str__(self) -> str:
        return self.text


class IntentModel(models.Model):
    """One training and its result. At most one is live; an older one can be made live again."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        TRAINING = "training", _("training")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    onnx = models.BinaryField(_("model"), default=b"")
    second = models.BinaryField(
        _("second opinion"), null=True
    )  # asked by workers, of what the first is unsure of
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.READY, db_default="ready"
    )
    progress = models.PositiveSmallIntegerField(_("progress"), default=100, db_default=100)  # per cent
    reason = models.TextField(
        _("reason"), blank=True, default="", db_default=""
    )  # of a failure, for who trains
    examples = models.PositiveIntegerField(_("examples"), default=0)
    accuracy = models.FloatField(_("accuracy, cross-validated"), null=True)
    is_live = models.BooleanField(_("live"), default=False)
    created_at = models.DateTimeField(_("trained"), auto_now_add=True)

    class Meta:
        verbose_name = _("trained model")
        verbose_name_plural = _("trained models")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_live"], condition=models.Q(is_live=True), name="one_live_intent_model"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SensitiveWord(models.Model):
    class Action(models.TextChoices):
        MASK = "mask", _("Mask")
        BLOCK = "block", _("Refuse")
        REVIEW = "review", _("Note for review")
        HAND_OVER = "hand_over", _("Call a person")
        ALLOW = "allow", _("Always allow")

    word = models.CharField(_("word"), max_length=100, unique=True)
    category = models.CharField(_("category"), max_length=50, blank=True)
    action = models.CharField(_("action"), max_length=10, choices=Action.choices, default=Action.BLOCK)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("sensitive word")
        verbose_name_plural = _("sensitive words")
        ordering = ["word"]

    def __str__(self) -> str:
        return self.word


class Provider(models.Model):
    """A model server that speaks OpenAI's chat completions, or a model of the operator's that the workers run themselves."""

    class Role(models.TextChoices):
        FULL = "full", _("Full answers")
        LIGHT = "light", _("Light answers, under load")

    class Vendor(models.TextChoices):  # as in inference.vendors
        OPENAI = "openai", "OpenAI"
        AZURE = "azure", "Azure OpenAI"
        ZHIPU = "zhipu", _("Zhipu GLM")
        DEEPSEEK = "deepseek", "DeepSeek"
        QWEN = "qwen", _("Qwen (DashScope)")
        VLLM = "vllm", "vLLM"
        TRTLLM = "trtllm", "TensorRT-LLM"
        SGLANG = "sglang", "SGLang"
        OLLAMA = "ollama", "Ollama"
        LLAMACPP = "llamacpp", "llama.cpp"
        ONNX = "onnx", _("ONNX model on this installation")
        OTHER = "other", _("Another")

    class ToolChoice(models.TextChoices):
        NONE = "none", _("calls no tools")
        AUTO = "auto", _("chooses itself whether to call one")
        REQUIRED = "required", _("can be made to call one")

    class TokenParameter(models.TextChoices):
        MAX_TOKENS = "max_tokens", "max_tokens"
        MAX_COMPLETION_TOKENS = "max_completion_tokens", "max_completion_tokens"

    name = models.CharField(_("name"), max_length=100, unique=True)
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.FULL)
    vendor = models.CharField(_("vendor"), max_length=20, choices=Vendor.choices, default=Vendor.OTHER)
    base_url = models.URLField(_("address"), blank=True, help_text=_("For example http://127.0.0.1:8080/v1"))
    api_version = models.CharField(
        _("API version"),
        max_length=40,
        blank=True,
        help_text=_(
            "Of Azure's older addresses, such as 2024-10-21; empty for those that end in /openai/v1."
        ),
    )
    api_key = EncryptedTextField(_("key"), blank=True)
    model = models.CharField(_("model"), max_length=200)  # of an ONNX one, its folder below KEFU_MODELS

    # What the server can do: see inference.vendors
    tells_usage = models.BooleanField(_("can be asked to count tokens in a stream"), default=True)
    json_schema = models.BooleanField(_("keeps to a JSON schema"), default=False)
    tool_choice = models.CharField(
        _("tools"), max_length=10, choices=ToolChoice.choices, default=ToolChoice.AUTO
    )
    token_parameter = models.CharField(
        _("name of the limit of tokens"),
        max_length=30,
        choices=TokenParameter.choices,
        default=TokenParameter.MAX_TOKENS,
    )
    thinking_off = models.JSONField(
        _("parameters that turn thinking off"),
        default=dict,
        blank=True,
        help_text=_("Sent along with every question: a visitor does not wait for thoughts."),
    )
    extra_body = models.JSONField(
        _("extra parameters"), default=dict, blank=True, help_text=_('For example {"enable_thinking": false}')
    )
    passage_characters = models.PositiveIntegerField(
        _("characters of passages in a prompt"),
        default=3000,
        help_text=_("A model running without a GPU reads slowly: set this lower."),
    )
    max_tokens = models.PositiveIntegerField(_("longest answer in tokens"), default=400)
    first_token_seconds = models.PositiveSmallIntegerField(
        _("seconds until the first token"), default=30, validators=[MinValueValidator(1)]
    )
    next_token_seconds = models.PositiveSmallIntegerField(
        _("seconds between two tokens"), default=15, validators=[MinValueValidator(1)]
    )
    input_price = models.DecimalField(
        _("price of a million tokens read"), max_digits=10, decimal_places=4, default=0, validators=[NOTHING]
    )
    output_price = models.DecimalField(
        _("price of a million tokens written"),
        max_digits=10,
        decimal_places=4,
        default=0,
        validators=[NOTHING],
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.is_local and self.model not in names():
            raise ValidationError({"model": _("Choose one of the models that the operator has put there.")})
        if not self.is_local and not self.base_url:
            raise ValidationError({"base_url": _("A model server has an address.")})

    @property
    def is_local(self) -> bool:
        """No server: the workers run it."""
        return self.vendor == self.Vendor.ONNX

    @property
    def is_operators(self) -> bool:
        """The installation's own one is no row, and may be anywhere; a row of the same address is a tenant's all the same."""
        return self._state.adding and self.base_url == settings.LLM_BASE_URL
