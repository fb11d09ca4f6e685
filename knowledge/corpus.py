"""All passages of a tenant in memory, where they are few: found in a small part of the time that the database takes for it.

Built again when the tenant's revision has moved, as everything is that processes keep. Larger tenants are searched in the database.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from knowledge.embedding import DIMENSIONS, Vectors, embed_question
from knowledge.retrieval import (
    CANDIDATES,
    PASSAGES,
    QUESTION_CHARACTERS,
    SEARCHED,
    Candidates,
    Passage,
    asked_words,
    passage_of,
    ranked,
    rarity_of,
    retrieve,
)
from knowledge.words import words
from tenants.context import database_call
from tenants.models import Tenant

LARGEST = 2_000  # passages of a tenant, some 10 KB each
KEPT = 64  # tenants
COUNT = "SELECT (SELECT count(*) FROM knowledge_chunk) + (SELECT count(*) FROM knowledge_entry)"
# `vector_send`: the floats as they lie in memory, behind four bytes that say how many.
READ = f"""
    SELECT kind, id, title, url, heading, text, also, vector_send(embedding), tsvector_to_array(terms)
    FROM ({PASSAGES}) AS passage
    WHERE terms IS NOT NULL
"""


@dataclass(frozen=True)
class Corpus:
    passages: tuple[Passage, ...]
    vectors: Vectors  # (n, DIMENSIONS)
    has_vector: NDArray[np.bool_]  # (n,): whether it can be compared
    lengths: NDArray[np.float64]  # (n,): words
    places: dict[
        str, tuple[NDArray[np.int32], NDArray[np.int32]]
    ]  # by word: the passages that have it, how often
    frequencies: Counter[str]  # of each word as it is indexed: how many passages

    def search(self, vector: Vectors, asked: Sequence[str]) -> Candidates:
        """The same that `retrieval` finds in the database."""
        counts = np.zeros((len(self.passages), len(asked)))
        for column, word in enumerate(asked):
            if word in self.places:
                rows, often = self.places[word]
                counts[rows, column] = often
        rarity = np.array([rarity_of(len(self.passages), self.frequencies[word]) for word in asked])
        dense = np.where(self.has_vector, self.vectors @ vector, 0.0).astype(float)
        weights = (counts > 0) @ rarity
        near = np.argsort(np.where(self.has_vector, -dense, np.inf), kind="stable")[:CANDIDATES]
        worded = np.argsort(-weights, kind="stable")[:CANDIDATES]
        found = np.union1d(near[self.has_vector[near]], worded[weights[worded] > 0])
        passages = [self.passages[row] for row in found]
        return Candidates(passages, dense[found], counts[found], self.lengths[found], rarity)


_corpora: OrderedDict[str, tuple[int, Corpus | None]] = OrderedDict()  # by schema, with the tenant's revision
_locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


async def find(
    tenant: Tenant, query: str, *, limit: int, dense_weight: float, floor: float | None
) -> list[Passage]:
    """`retrieve` for coroutines. `tenant` must be fresh (tenants.registry.current)."""
    corpus = await _corpus_of(tenant)
    if corpus is None:
        return await database_call(
            tenant, retrieve, query, limit=limit, dense_weight=dense_weight, floor=floor
        )
    question = query[:QUESTION_CHARACTERS].strip()
    if not question:
        return []
    vector = await asyncio.to_thread(embed_question, question)
    return ranked(corpus.search(vector, asked_words(question)), limit, dense_weight, floor)


async def _corpus_of(tenant: Tenant) -> Corpus | None:
    """None where there are too many passages."""
    async with _locks[tenant.schema_name]:
        revision, corpus = _corpora.get(tenant.schema_name, (None, None))
        if revision != tenant.revision:
            corpus = await database_call(tenant, load)
            _corpora[tenant.schema_name] = tenant.revision, corpus
        _corpora.move_to_end(tenant.schema_name)
        if len(_corpora) > KEPT:
            _corpora.popitem(last=False)
    return corpus


def load() -> Corpus | None:
    """Of the tenant whose schema the caller is in."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        if cursor.fetchone()[0] > LARGEST:
            return None
        cursor.execute(READ)
        rows = sorted(cursor.fetchall(), key=itemgetter(1))
    return _of(rows)


def _of(rows: Sequence[Sequence[Any]]) -> Corpus:
    vectors = np.zeros((len(rows), DIMENSIONS), np.float32)
    has_vector, lengths = np.zeros(len(rows), np.bool_), np.zeros(len(rows))
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for n, row in enumerate(rows):
        counts = Counter(words("\n".join(row[i] for i in SEARCHED)))
        lengths[n] = counts.total()
        for word, often in counts.items():
            found[word].append((n, often))
        vector = np.frombuffer(row[7] or b"", ">f4", offset=4 if row[7] else 0)
        if len(vector) == DIMENSIONS:
            vectors[n], has_vector[n] = vector / max(float(np.linalg.norm(vector)), 1e-9), True
    columns = {word: np.array(pairs, np.int32).T for word, pairs in found.items()}
    places = {word: (rows_, often) for word, (rows_, often) in columns.items()}
    frequencies = Counter(word for row in rows for word in row[8])
    return Corpus(tuple(map(passage_of, rows)), vectors, has_vector, lengths, places, frequencies)
