from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from knowledge.indexing import index_document, index_entries
from knowledge.models import Chunk, Document, Entry, KnowledgeBase
from knowledge.retrieval import FLOOR, retrieve
from tenants.context import inside
from tenants.models import Tenant

POLICY = """# 售后政策

## 运费

质量问题的来回运费由我们承担，无理由退货的运费由您承担。

## 保修

吸尘器整机保修两年，电饭煲整机保修一年，空调保修六年。

## 发票

电子发票在确认收货后自动开出，可以在订单页下载。
"""


@pytest.fixture
def base(in_acme: Tenant) -> KnowledgeBase:
    base = KnowledgeBase.objects.create(name="售后")
    document = Document.objects.create(
        base=base, title="售后政策", kind="md", text=POLICY, source_url="/help/policy"
    )
    index_document(document.pk)
    Entry.objects.create(
        base=base,
        question="支持以旧换新吗？",
        variants="旧机抵钱",
        answer="支持，上门取旧。",
        source_title="以旧换新",
    )
    index_entries()
    return base


def test_it_finds_a_passage_though_not_all_of_the_words_are_in_it(base: KnowledgeBase) -> None:
    best = retrieve("吸尘器保修多久")[0]
    assert (best.kind, best.title, best.url, best.heading) == (
        "chunk",
        "售后政策",
        "/help/policy",
        "售后政策 > 保修",
    )
    assert "吸尘器整机保修两年" in best.text
    assert best.score == max(passage.score for passage in retrieve("吸尘器保修多久"))


def test_it_finds_entries_beside_passages_by_any_wording(base: KnowledgeBase) -> None:
    best = retrieve("旧机可以抵钱吗")[0]
    assert (best.kind, best.title, best.text) == ("entry", "以旧换新", "支持，上门取旧。")


def test_it_finds_by_meaning_across_languages(base: KnowledgeBase) -> None:
    assert "发票" in retrieve("Where can I download my electronic invoice?", floor=None)[0].text


def test_it_reads_traditional_characters(base: KnowledgeBase) -> None:
    assert "发票" in retrieve("電子發票怎麼下載")[0].text


@pytest.mark.parametrize(
    "question",
    [
        "今天北京的天气怎么样？",
        "帮我写一首关于春天的诗",
        "谁赢了世界杯",
        "怎么办",
        "？？",
        "",
        "   ",
        "' OR 1=1 --",
        "\\'",
    ],
)
def test_it_finds_nothing_for_what_the_documents_do_not_speak_of(base: KnowledgeBase, question: str) -> None:
    assert retrieve(question) == []


def test_it_shows_everything_when_asked_for_no_floor(base: KnowledgeBase) -> None:
    assert len(retrieve("今天北京的天气怎么样？", floor=None, limit=10)) == 4
    assert all(passage.sureness >= FLOOR for passage in retrieve("运费谁承担", limit=10))


def test_it_gives_no_more_than_the_limit(base: KnowledgeBase) -> None:
    assert len(retrieve("运费谁承担", floor=None, limit=2)) == 2


def test_it_leaves_out_what_is_switched_off(base: KnowledgeBase) -> None:
    Entry.objects.update(is_enabled=False)
    assert all(passage.kind == "chunk" for passage in retrieve("旧机抵钱", floor=None))
    KnowledgeBase.objects.update(is_enabled=False)
    assert retrieve("运费谁承担", floor=None) == []


def test_it_weighs_meaning_against_words_as_told(base: KnowledgeBase) -> None:
    by_words = retrieve("保修", dense_weight=0, floor=None)[0]
    assert "保修" in by_words.text and by_words.score == 1.0
    assert retrieve("保修", dense_weight=1, floor=None)[0].dense == max(
        p.dense for p in retrieve("保修", floor=None)
    )


def test_it_still_finds_by_words_what_another_encoder_left_behind(base: KnowledgeBase) -> None:
    Chunk.objects.update(embedding=[0.1, 0.2, 0.3])
    best = retrieve("吸尘器保修", floor=None)[0]
    assert "吸尘器" in best.text and best.dense == 0.0


def test_it_asks_the_database_twice_however_many_words_there_are(base: KnowledgeBase) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        retrieve("我想知道吸尘器电饭煲空调的保修运费和发票还有以旧换新都怎么办理，多长时间，谁承担费用" * 5)
    assert len([query for query in queries if "knowledge_" in query["sql"]]) == 2


def test_it_finds_nothing_of_the_neighbours(base: KnowledgeBase, globex: Tenant) -> None:
    assert retrieve("吸尘器保修多久")
    with inside(globex):
        assert retrieve("吸尘器保修多久", floor=None) == []
