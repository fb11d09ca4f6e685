"""Finds the passages that may answer a question: by meaning and by words, fused, and nothing below a floor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from django.db import connection
from numpy.typing import NDArray

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
PASSAGES = """
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
    passage AS ({PASSAGES}),
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


Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a search found, not yet in order; all arrays have a row for each passage."""

    passages: Sequence[Passage]  # without their figures
    dense: Numbers  # (n,): a cosine, 0 where there is no vector to compare
    counts: Numbers  # (n, words of the question): how often the passage has each
    lengths: Numbers  # (n,): words of the passage
    rarity: Numbers  # (words of the question,): their inverse document frequencies


def retrieve(
    query: str, *, limit: int = 5, dense_weight: float = DENSE_WEIGHT, floor: float | None = FLOOR
) -> list[Passage]:
    """The current tenant's best passages, best first; none where nothing reaches the floor (`None`: no floor)."""
    question = query[:QUESTION_CHARACTERS].strip()
    if not question:
        return []
    return ranked(_search(embed_question(question), asked_words(question)), limit, dense_weight, floor)


def asked_words(question: str) -> list[str]:
    return list(dict.fromkeys(words(question)))[:QUESTION_WORDS]


def rarity_of(total: int, count: int) -> float:
    """A word's inverse document frequency among the tenant's passages, never negative."""
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def _search(vector: Vectors, asked: Sequence[str]) -> Candidates:
    """In the database."""
    rarity = _rarity(asked)
    weight = " + ".join("(terms @@ %s::tsquery)::int * %s::float8" for _ in rarity) or "0::float8"
    weights = [value for word, idf in rarity.items() for value in (as_tsquery([word]), idf)]
    literal = "[" + ",".join(f"{value:.6f}" for value in vector) + "]"
    with connection.cursor() as cursor:
        cursor.execute(_SEARCH.format(weight=weight), [literal, as_tsquery(list(rarity)), *weights])
        rows = cursor.fetchall()
    counted = [Counter(words("\n".join(row[i] for i in SEARCHED))) for row in rows]
    return Candidates(
        [passage_of(row) for row in rows],
        np.array([row[7] or 0.0 for row in rows]),
        np.array([[count[word] for word in asked] for count in counted]).reshape(len(rows), len(asked)),
        np.array([count.total() for count in counted]),
        np.array(list(rarity.values())),
    )


SEARCHED = (2, 4, 5, 6)  # columns of `PASSAGES` with words in them


def passage_of(row: Sequence[Any]) -> Passage:
    """Of a row of `PASSAGES`."""
    kind, pk, title, url, heading, text = row[:6]
    return Passage(kind, pk, title, url, heading, text, score=0.0, dense=0.0, lexical=0.0)


def _rarity(asked: Sequence[str]) -> dict[str, float]:
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FREQUENCIES, [[None, *(as_tsquery([word]) for word in asked)]])
        (_, total), *counts = cursor.fetchall()
    return {word: rarity_of(total, count) for word, (_, count) in zip(asked, counts, strict=True)}


def ranked(found: Candidates, limit: int, dense_weight: float, floor: float | None) -> list[Passage]:
    lexical = _spread(_bm25(found))
    scores = dense_weight * _spread(found.dense) + (1 - dense_weight) * lexical
    covered = (found.counts > 0) @ found.rarity / (found.rarity.sum() or 1.0)
    sureness = (2 * found.dense + covered) / 3
    admitted = np.flatnonzero(sureness >= (-np.inf if floor is None else floor)).tolist()
    scored = [
        replace(
            found.passages[n], score=float(scores[n]), dense=float(found.dense[n]), lexical=float(covered[n])
        )
        for n in admitted
    ]
    return sorted(scored, key=lambda passage: (-passage.score, passage.kind, passage.id))[:limit]


def _bm25(found: Candidates) -> Numbers:
    length = 1 - LENGTH_PENALTY + LENGTH_PENALTY * found.lengths / USUAL_WORDS
    weighed: Numbers = found.counts * (SATURATION + 1) / (found.counts + SATURATION * length[:, None])
    return weighed @ found.rarity


def _spread(scores: Numbers) -> Numbers:
    """Scores stretched over 0 to 1, so that two kinds of them can be added."""
    low, high = float(scores.min(initial=np.inf)), float(scores.max(initial=-np.inf))
    stretched: Numbers = (scores - low) / (high - low) if high > low else (scores > 0).astype(float)
    return stretched
