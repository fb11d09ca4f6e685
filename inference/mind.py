"""Everything one tenant's bot keeps in memory, loaded again when the tenant's revision has moved."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, field

from django.conf import settings

from inference import intent, screening, second
from inference.models import Connector, Intent, IntentModel, Provider, SensitiveWord
from inference.vendors import abilities_of
from knowledge import entries
from knowledge.models import Entry
from tenants.context import database_call
from tenants.models import Tenant

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mind:
    revision: int = 0
    lexicon: screening.Lexicon = screening.EMPTY
    intent_model: intent.IntentModel | None = None
    intent_model_number: int | None = None
    intents: dict[str, Intent] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    entries: entries.EntryIndex = field(default_factory=lambda: entries.build(()))
    providers: tuple[Provider, ...] = ()


_minds: dict[str, Mind] = {}
_seconds: dict[str, tuple[int, second.SecondOpinion | None]] = {}  # and the number of the model it belongs to
_locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


async def mind_of(tenant: Tenant) -> Mind:
    """`tenant` must be fresh (tenants.registry.current): its revision decides whether the mind is."""
    mind = _minds.get(tenant.schema_name)
    if mind and mind.revision == tenant.revision:
        return mind
    async with _locks[tenant.schema_name]:
        mind = _minds.get(tenant.schema_name)
        if mind is None or mind.revision != tenant.revision:
            mind = _minds[tenant.schema_name] = await database_call(tenant, load, tenant)
    return mind


async def second_of(tenant: Tenant, mind: Mind) -> second.SecondOpinion | None:
    """Loaded by the first question that wants it: only workers ask, and it is many times as large as all the rest."""
    if mind.intent_model_number is None:
        return None
    async with _locks[tenant.schema_name]:
        number, opinion = _seconds.get(tenant.schema_name, (None, None))
        if number != mind.intent_model_number:
            opinion = await database_call(tenant, _second_opinion, tenant, mind.intent_model_number)
            _seconds[tenant.schema_name] = mind.intent_model_number, opinion
        return opinion


def load(tenant: Tenant) -> Mind:
    """Reads it all from the tenant's schema, where the caller is."""
    number, model = _intent_model(tenant)
    intents = Intent.objects.filter(is_enabled=True).select_related("connector")
    usable = Entry.objects.filter(is_enabled=True, base__is_enabled=True)
    return Mind(
        revision=tenant.revision,
        lexicon=screening.build(
            screening.Word(row.word, row.category, screening.Action(row.action))
            for row in SensitiveWord.objects.filter(is_enabled=True)
        ),
        intent_model=model,
        intent_model_number=number,
        intents={row.name: row for row in intents},
        connectors={row.name: row for row in Connector.objects.filter(is_enabled=True)},
        entries=entries.build(usable),
        providers=usable_providers(),
    )


def _intent_model(tenant: Tenant) -> tuple[int | None, intent.IntentModel | None]:
    """The live model. One that cannot be read is as good as none: words and entries still answer, and the log says so."""
    live = IntentModel.objects.filter(is_live=True).defer("second").first()
    try:
        return (live.pk, intent.load(bytes(live.onnx))) if live else (None, None)
    except ValueError:
        logger.exception("%s: intent model %s cannot be read; train it again", tenant.schema_name, live)
        return None, None


def _second_opinion(tenant: Tenant, number: int) -> second.SecondOpinion | None:
    stored = IntentModel.objects.filter(pk=number).values_list("second", flat=True).first()
    try:
        return second.load(bytes(stored)) if stored else None
    except ValueError:
        logger.exception(
            "%s: second opinion of model #%s cannot be read; train it again", tenant.schema_name, number
        )
        return None


def usable_providers() -> tuple[Provider, ...]:
    """Inside the tenant's schema."""
    return tuple(Provider.objects.filter(is_enabled=True)) or _installation_provider()


def has_installation_provider() -> bool:
    return bool(settings.LLM_BASE_URL or settings.LLM_VENDOR == Provider.Vendor.ONNX)


def _installation_provider() -> tuple[Provider, ...]:
    """The provider in the environment, for tenants that have none of their own."""
    if not has_installation_provider():
        return ()
    return (
        Provider(
            name="installation",
            vendor=settings.LLM_VENDOR,
            **abilities_of(settings.LLM_VENDOR),
            base_url=settings.LLM_BASE_URL,
            api_key=settings.LLM_API_KEY,
            model=settings.LLM_MODEL,
            passage_characters=settings.LLM_PASSAGE_CHARACTERS,
            max_tokens=settings.LLM_MAX_TOKENS,
        ),
    )
