from __future__ import annotations

import numpy as np
import pytest
from django.core.files.base import ContentFile

from knowledge import indexing
from knowledge.embedding import DIMENSIONS, embed, embed_question
from knowledge.indexing import index_document, index_entries, index_entry
from knowledge.loading import LoadError
from knowledge.models import Chunk, Document, Entry, KnowledgeBase
from tenants.context import inside
from tenants.models import Tenant

TEXT = "# 退换货政策\n\n总则。\n\n## 运费\n\n质量问题的来回运费由我们承担。\n\n## 时限\n\n签收后七天以内。"


@pytest.fixture
def base(in_acme: Tenant) -> KnowledgeBase:
    return KnowledgeBase.objects.create(name="售后")


def test_it_makes_vectors_of_unit_length() -> None:
    vectors = embed(["退货", "運費誰出？", "How do I get a refund?", ""])
    assert vectors.shape == (4, DIMENSIONS) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert embed([]).shape == (0, DIMENSIONS)


def test_it_gives_each_text_its_own_vector_whatever_the_batch() -> None:
    texts = [f"第 {number} 条：{'退货' * (number % 7)}" for number in range(150)]
    assert np.allclose(embed(texts)[77], embed([texts[77]])[0], atol=1e-3)


def test_it_reads_traditional_questions_like_simplified_ones() -> None:
    assert np.allclose(embed_question("發票怎麼開"), embed_question("发票怎么开"))


def test_it_indexes_a_document_with_headings_words_and_vectors(base: KnowledgeBase) -> None:
    document = index_document(Document.objects.create(base=base, title="政策", kind="md", text=TEXT).pk)
    document.refresh_from_db()
    assert (document.status, document.progress, document.reason) == ("ready", 100, "")
    assert document.size == len(TEXT.encode()) and len(document.checksum) == 64 and document.indexed_at
    chunks = list(document.chunks.all())
    assert [chunk.heading for chunk in chunks] == ["退换货政策", "退换货政策 > 运费", "退换货政策 > 时限"]
    assert [chunk.position for chunk in chunks] == [0, 1, 2]
    assert "'运费'" in chunks[1].terms and "'政策'" in chunks[1].terms
    assert all(len(chunk.embedding) == DIMENSIONS for chunk in chunks)


def test_it_indexes_an_uploaded_file_and_keeps_its_text(base: KnowledgeBase) -> None:
    document = Document(base=base, title="表", kind="csv")
    document.file.save("保修.csv", ContentFile("型号,保修\n水壶,1 年\n".encode("gb18030")))
    try:
        index_document(document.pk)
        document.refresh_from_db()
        assert document.status == "ready" and document.text == "- 型号：水壶；保修：1 年"
    finally:
        document.file.delete(save=False)


def test_it_replaces_the_passages_of_a_changed_document(base: KnowledgeBase) -> None:
    document = Document.objects.create(base=base, title="政策", kind="md", text=TEXT)
    index_document(document.pk)
    Document.objects.filter(pk=document.pk).update(text="# 新政策\n\n全部包邮。")
    index_document(document.pk)
    assert [chunk.text for chunk in document.chunks.all()] == ["全部包邮。"]


@pytest.mark.parametrize("step", range(len(indexing.INDEX)))
def test_it_keeps_the_old_passages_when_any_step_fails(
    base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    document = Document.objects.create(base=base, title="政策", kind="md", text=TEXT)
    index_document(document.pk)

    def fail(draft: indexing.Draft) -> None:
        raise LoadError("damaged")

    steps = list(indexing.INDEX)
    steps[step] = fail
    monkeypatch.setattr(indexing, "INDEX", tuple(steps))
    index_document(document.pk)
    document.refresh_from_db()
    assert document.status == "failed" and document.reason
    assert document.chunks.count() == 3


def test_it_marks_a_bad_file_failed_and_leaves_the_others_alone(base: KnowledgeBase) -> None:
    good = Document.objects.create(base=base, title="好", kind="md", text=TEXT)
    bad = Document(base=base, title="坏", kind="pdf")
    bad.file.save("坏.pdf", ContentFile(b"%PDF-1.7 nonsense"))
    try:
        index_document(good.pk)
        failed = index_document(bad.pk)
    finally:
        bad.file.delete(save=False)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert failed.status == "failed" and failed.reason
    assert good.status == "ready"
    assert not Chunk.objects.filter(document__title="坏").exists()


def test_it_says_so_when_the_file_is_gone_or_empty(base: KnowledgeBase) -> None:
    gone = Document.objects.create(base=base, title="没了", kind="pdf", file="documents/none.pdf")
    empty = Document.objects.create(base=base, title="空", kind="md", text=" ")
    assert index_document(gone.pk).status == index_document(empty.pk).status == "failed"
    assert gone.chunks.count() == empty.chunks.count() == 0


def test_it_is_no_failure_when_a_document_is_deleted_meanwhile(
    base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = Document.objects.create(base=base, title="政策", kind="md", text=TEXT)

    def delete(draft: indexing.Draft) -> None:
        Document.objects.filter(pk=document.pk).delete()

    monkeypatch.setattr(indexing, "INDEX", (*indexing.INDEX[:-1], delete, indexing.INDEX[-1]))
    index_document(document.pk)
    assert not Document.objects.exists() and not Chunk.objects.exists()


def test_it_indexes_entries_by_all_their_wordings_at_once(base: KnowledgeBase) -> None:
    entry = Entry.objects.create(
        base=base, question="怎么开发票？", variants="发票在哪下载\n\n电子发票", answer="在订单页。"
    )
    other = Entry.objects.create(base=base, question="运费谁出？", answer="我们。")
    assert index_entries() == 2
    entry.refresh_from_db()
    other.refresh_from_db()
    assert "'下载'" in entry.terms and "'订单'" in entry.terms
    assert np.dot(entry.embedding, embed_question("电子发票")) > np.dot(
        other.embedding, embed_question("电子发票")
    )
    assert np.isclose(np.linalg.norm(entry.embedding), 1, atol=1e-3)


def test_it_indexes_one_changed_entry(base: KnowledgeBase) -> None:
    entry = Entry.objects.create(base=base, question="怎么开发票？", answer="在订单页。")
    index_entry(entry)
    entry.refresh_from_db()
    assert entry.embedding is not None and entry.wordings() == ["怎么开发票？"]


def test_it_writes_nothing_into_the_neighbours_schema(base: KnowledgeBase, globex: Tenant) -> None:
    index_document(Document.objects.create(base=base, title="政策", kind="md", text=TEXT).pk)
    with inside(globex):
        assert not Document.objects.exists() and not Chunk.objects.exists()
