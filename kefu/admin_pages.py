"""Pages of the tenant's admin that belong to no single table: trying things out, and the line to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from inference import screening
from inference.mind import load
from inference.models import Intent, SensitiveWord
from inference.normalise import dense
from knowledge.retrieval import FLOOR, Passage, retrieve
from tenants.admin_sites import tenant_of, tenant_site
from tenants.models import Policy

LONGEST = 1000
PASSAGES = 10


def _asked(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[:LONGEST]


def hit_test(request: HttpRequest) -> HttpResponse:
    """What the bot would find for a question, and how sure it is of each part."""
    question = _asked(request)
    context = tenant_site.context(request, _("Hit test"), question=question, floor=FLOOR)
    return render(
        request, "admin/hit_test.html", context | (_findings(request, question) if question else {})
    )


def _findings(request: HttpRequest, question: str) -> dict[str, Any]:
    mind = load(tenant_of(request))
    weight = Policy.objects.get(tenant=tenant_of(request)).dense_weight
    hits = mind.lexicon.scan(question)
    detected = mind.intent_model.predict(question) if mind.intent_model else None
    return {
        "verdict": _word(screening.verdict(hits)),
        "match": mind.entries.match(question),
        "detected": detected,
        "intent": Intent.objects.filter(name=detected.best).first() if detected else None,
        "passages": [
            Found(one) for one in retrieve(question, limit=PASSAGES, dense_weight=weight, floor=None)
        ],
        "weight": weight,
    }


@dataclass(frozen=True)
class Found:
    passage: Passage

    @property
    def is_admitted(self) -> bool:
        return self.passage.sureness >= FLOOR


def test_sentence(request: HttpRequest) -> HttpResponse:
    """What screening makes of a sentence."""
    text = _asked(request)
    context = tenant_site.context(request, _("Test a sentence"), question=text)
    return render(request, "admin/test_sentence.html", context | (_screened(request, text) if text else {}))


def _screened(request: HttpRequest, text: str) -> dict[str, Any]:
    lexicon = load(tenant_of(request)).lexicon
    hits = lexicon.scan(text)
    return {
        "count": len(lexicon),
        "dense": dense(text),
        "hits": [(text[hit.start : hit.end], hit, _word(hit.action)) for hit in hits],
        "verdict": _word(screening.verdict(hits)),
        "masked": screening.mask(text, hits),
    }


def _word(action: screening.Action | None) -> str:
    return str(SensitiveWord.Action(action).label) if action else ""


def embed(request: HttpRequest) -> HttpResponse:
    """The one line a company pastes into its pages, and the widget itself in the corner of this one."""
    address = request.build_absolute_uri(reverse("widget-loader"))
    context = tenant_site.context(request, _("Put it on a page"), loader_url=address)
    return render(request, "admin/embed.html", context)
