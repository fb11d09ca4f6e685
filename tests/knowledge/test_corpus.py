"""What small tenants know is searched in memory, and found as the database finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from knowledge import corpus
from knowledge.embedding import embed_question
from knowledge.indexing import index_document, index_entries
from knowledge.models import Document, Entry, KnowledgeBase
from knowledge.retrieval import CANDIDATES, DENSE_WEIGHT, FLOOR, Passage, asked_words, ranked, retrieve
from tenants.actions import touch
from tenants.context import inside
from tenants.models import Tenant
from tests.knowledge.test_retrieval import POLICY

QUESTIONS = (
    "吸尘器保修多久",
    "旧机可以抵钱吗",
    "電子發票怎麼下載",
    "How long is the warranty?",
    "今天天气怎么样",
    "x",
)


@pytest.fixture
def learned(live_acme: Tenant) -> Iterator[Tenant]:
    """Acme, which has committed what it knows: it is read on a thread of its own."""
    with inside(live_acme):
        base = KnowledgeBase.objects.create(name="售后")
        document = Document.objects.create(base=base, title="售后政策", kind="md", text=POLICY)
        index_document(document.pk)
        Entry.objects.create(
            base=base, question="支持以旧换新吗？", variants="旧机抵钱", answer="支持，上门取旧。"
        )
        Entry.objects.create(base=base, question="可以分期吗？", answer="不支持。")
        index_entries()
    yield changed(live_acme)
    with inside(live_acme):
        base.delete()
    changed(live_acme)


def changed(tenant: Tenant) -> Tenant:
    touch(tenant)
    tenant.refresh_from_db()
    return tenant


def find(tenant: Tenant, question: str) -> list[Passage]:
    return asyncio.run(
        corpus.find(tenant, question, limit=CANDIDATES, dense_weight=DENSE_WEIGHT, floor=FLOOR)
    )


def assert_same(found: list[Passage], by_database: list[Passage]) -> None:
    assert [(one.kind, one.id, one.text) for one in found] == [
        (one.kind, one.id, one.text) for one in by_database
    ]
    for name in ("score", "dense", "lexical"):
        figures = [getattr(one, name) for one in by_database]
        assert [getattr(one, name) for one in found] == pytest.approx(figures, abs=1e-4)


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_finds_what_the_database_finds(learned: Tenant, question: str) -> None:
    with inside(learned):
        known = corpus.load()
        assert known
        found = known.search(embed_question(question), asked_words(question))
        by_database = retrieve(question, limit=CANDIDATES, floor=None)
        assert_same(ranked(found, CANDIDATES, DENSE_WEIGHT, None), by_database)
        assert_same(find(learned, question), retrieve(question, limit=CANDIDATES))


def test_it_finds_nothing_of_a_neighbours(learned: Tenant, live_globex: Tenant) -> None:
    assert find(learned, "旧机可以抵钱吗")
    assert find(live_globex, "旧机可以抵钱吗") == []


def test_it_hears_of_changes(learned: Tenant) -> None:
    assert find(learned, "可以分期吗？")[0].text == "不支持。"
    with inside(learned):
        Entry.objects.filter(answer="不支持。").update(is_enabled=False)
    changed(learned)
    assert not any(passage.text == "不支持。" for passage in find(learned, "可以分期吗？"))
    assert find(learned, "旧机可以抵钱吗")


def test_it_leaves_what_is_large_to_the_database(learned: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LARGEST", 2)
    changed(learned)
    with inside(learned):
        assert corpus.load() is None
    assert find(learned, "旧机可以抵钱吗")[0].text == "支持，上门取旧。"
