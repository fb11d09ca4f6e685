"""The encoders there are, by name: what one of them made, only the same one understands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from knowledge import embedding, english
from knowledge.embedding import Vectors

_MOSTLY = 0.95  # of the texts


@dataclass(frozen=True)
class Encoder:
    """`embed` and `embed_question` give float32 rows of unit length; `reads` tells whether a text can be understood."""

    name: str
    embed: Callable[[Sequence[str]], Vectors]
    embed_question: Callable[[str], Vectors]
    reads: Callable[[str], bool] = lambda text: True
    is_here: Callable[[], bool] = lambda: True


MULTILINGUAL = Encoder(embedding.ENCODER_NAME, embedding.embed, embedding.embed_question)
ENGLISH = Encoder(english.ENCODER_NAME, english.embed, english.embed_question, english.reads, english.is_here)
ENCODERS = {encoder.name: encoder for encoder in (MULTILINGUAL, ENGLISH)}


def for_texts(texts: Sequence[str]) -> list[Encoder]:
    """Those worth trying: they are installed, and read nearly all of these texts."""
    return [
        encoder
        for encoder in ENCODERS.values()
        if encoder.is_here() and sum(map(encoder.reads, texts)) >= _MOSTLY * len(texts)
    ]
