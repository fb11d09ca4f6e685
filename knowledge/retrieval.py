"""Finds the passages that may answer a question: by meaning and by words, fused, and nothing below a floor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.db import connection

from knowledge.embedding import DIMENSIONS, Vectors, embed_question
from knowledge.words import as_tsquery, words

CANDIDATES = 30  # of each kind of search
DENSE_WEIGHT = 0.4
# The least sureness of a passage that a model may judge, and of one shown as it stands. They belong to the encoder.
# Measured on the two demo companies with 500 wordings left out of the index, and 600 questions about anything else:
# the first finds something for 94 % of those and 6 % of these, the second for 81 % and 2 %.
FLOOR = 0.42
SURE_FLOOR = 0.5
QUESTION_CHARACTERS = 1_000
QUESTION_WORDS = 40

# BM25's usual constants; the length is that of a usual passage, as the true mean would cost a scan.
SATURATION = 1.2
LENGTH_PENALTY = 0.5
USUAL_WORDS = 120


@dataclass(frozen=True, slots=True)
class Passage:
    """`score` orders the passages of one question (0 to 1). `dense` is a cosine, `lexical` the share of the
    question's words, weighed by rarity, that the passage contains: these and `sureness` compare across questions."""

    kind: Literal["chunk", "entry"]
    id: int
    title: str
    url: str
    heading: str
    text: str
    score: float
    dense: float
    lexical: float

    @property
    def sureness(self) -> float:
        """How surely it speaks of what was asked, whatever else was found (0 to 1)."""
        return (2 * self.dense + self.lexical) / 3


# What may be found: everything in a knowledge base that is switched on. `also` is searched and not shown.
_PASSAGES = """
    SELECT 'chunk' AS kind, chunk.id, document.title, document.source_url AS url, chunk.heading, chunk.text,
           '' AS also, chunk.terms, chunk.embedding
    FROM knowledge_chunk chunk
    JOIN knowledge_document document ON document.id = chunk.document_id
    JOIN knowledge_knowledgebase base ON base.id = document.base_id
    WHERE base.is_enabled
    UNION ALL
    SELECT 'entry', entry.id, coalesce(nullif(entry.source_title, ''), entry.question), entry.source_url,
           entry.question, entry.answer, entry.variants, entry.terms, entry.embedding
    FROM knowledge_entry entry
    JOIN knowledge_knowledgebase base ON base.id = entry.base_id
    WHERE base.is_enabled AND entry.is_enabled
"""
_FREQUENCIES = """
    SELECT coalesce(word, ''),
           (SELECT count(*) FROM knowledge_chunk WHERE word IS NULL OR terms @@ word::tsquery)
           + (SELECT count(*) FROM knowledge_entry WHERE word IS NULL OR terms @@ word::tsquery)
    FROM unnest(%s::text[]) AS word
"""
# Vectors of another encoder's length cannot be compared: such rows are found by words until indexed again.
_SEARCH = f"""
    WITH question AS (SELECT %s::vector AS vector),
    passage AS ({_PASSAGES}),
    near AS (
        SELECT kind, id, title, url, heading, text, also, terms,
               CASE WHEN vector_dims(embedding) = {DIMENSIONS}
                    THEN 1 - (embedding <=> (SELECT vector FROM question)) END AS dense
        FROM passage
    )
    (SELECT kind, id, title, url, heading, text, also, dense FROM near
     WHERE terms @@ %s::tsquery ORDER BY {{weight}} DESC, id LIMIT {CANDIDATES})
    UNION
    (SELECT kind, id, title, url, heading, text, also, dense FROM near
     WHERE dense IS NOT NULL ORDER BY dense DESC, id LIMIT {CANDIDATES})
"""


def retrieve(
    query: str, *, limit: int = 5, dense_weight: float = DENSE_WEIGHT, floor: float | None = FLOOR
) -> list[Passage]:
    """The current tenant's best passages, best first; none where nothing reaches the floor (`None`: no floor)."""
    question = query[:QUESTION_CHARACTERS].strip()
    if not question:
        return []
    asked = list(dict.fromkeys(words(question)))[:QUESTION_WORDS]
    rarity = _rarity(asked)
    found = _fuse(_search(embed_question(question), rarity), rarity, dense_weight)
    admitted = [passage for passage in found if floor is None or passage.sureness >= floor]
    return admitted[:limit]


def _rarity(asked: Sequence[str]) -> dict[str, float]:
    """Each word's inverse document frequency among the tenant's passages, never negative."""
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FREQUENCIES, [[None, *(as_tsquery([word]) for word in asked)]])
        (_, total), *counts = cursor.fetchall()
    return {
        word: math.log(1 + (total - count + 0.5) / (count + 0.5))
        for word, (_, count) in zip(asked, counts, strict=True)
    }


def _search(vector: Vectors, rarity: Mapping[str, float]) -> list[tuple[Any, ...]]:
    weight = " + ".join("(terms @@ %s::tsquery)::int * %s::float8" for _ in rarity) or "0::float8"
    weights = [value for word, idf in rarity.items() for value in (as_tsquery([word]), idf)]
    literal = "[" + ",".join(f"{value:.6f}" for value in vector) + "]"
    with connection.cursor() as cursor:
        cursor.execute(_SEARCH.format(weight=weight), [literal, as_tsquery(list(rarity)), *weights])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _fuse(rows: Iterable[tuple[Any, ...]], rarity: Mapping[str, float], dense_weight: float) -> list[Passage]:
    passages: list[Passage] = []
    lexical_scores: list[float] = []
    for kind, pk, title, url, heading, text, also, dense in rows:
        counts = Counter(words(f"{title}\n{heading}\n{text}\n{also}"))
        lexical_scores.append(_bm25(counts, rarity))
        passages.append(
            Passage(
                kind,
                pk,
                title,
                url,
                heading,
                text,
                score=0.0,
                dense=dense or 0.0,
                lexical=_coverage(counts, rarity),
            )
        )
    fused = zip(passages, _spread([p.dense for p in passages]), _spread(lexical_scores), strict=True)
    scored = [
        replace(p, score=dense_weight * dense + (1 - dense_weight) * lexical) for p, dense, lexical in fused
    ]
    return sorted(scored, key=lambda passage: (-passage.score, passage.kind, passage.id))


def _bm25(counts: Counter[str], rarity: Mapping[str, float]) -> float:
    length = 1 - LENGTH_PENALTY + LENGTH_PENALTY * counts.total() / USUAL_WORDS
    return sum(
        idf * counts[word] * (SATURATION + 1) / (counts[word] + SATURATION * length)
        for word, idf in rarity.items()
    )


def _coverage(counts: Counter[str], rarity: Mapping[str, float]) -> float:
    asked = sum(rarity.values())
    return sum(idf for word, idf in rarity.items() if counts[word]) / asked if asked else 0.0


def _spread(scores: Sequence[float]) -> list[float]:
    """Scores stretched over 0 to 1, so that two kinds of them can be added."""
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if high <= low:
        return [1.0 if high > 0 else 0.0 for _ in scores]
    return [(score - low) / (high - low) for score in scores]
