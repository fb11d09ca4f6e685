"""A tenant's intents: the pipeline's step that names them, and the training that makes it able to."""

from __future__ import annotations

import asyncio

from django.db import transaction

from inference import intent
from inference.intent import Detected
from inference.mind import second_of
from inference.models import IntentExample, IntentModel
from inference.turn import Lane, Turn
from knowledge.embedding import embed_question
from tenants.progress import Progress, unwatched


async def detect_intent(turn: Turn) -> None:
    """Names what is asked, and how surely; leaves it unnamed where the tenant has no trained model yet.

    What the quick model is unsure of, workers settle by a second opinion: the quick lane has no time for it.
    """
    if turn.mind.intent_model is None or not turn.question:
        return
    turn.detected = turn.mind.intent_model.predict(turn.question)
    if turn.lane == Lane.WORKER:
        turn.detected = await _settled(turn, turn.detected)
    turn.note(
        intent=turn.detected.intent, best=turn.detected.best, confidence=round(turn.detected.confidence, 3)
    )


async def _settled(turn: Turn, first: Detected) -> Detected:
    second = await second_of(turn.tenant, turn.mind)
    if second is None or not second.is_wanted(first):
        return first
    vector = await asyncio.to_thread(embed_question, turn.question)
    turn.note(first=first.intent, first_confidence=round(first.confidence, 3))
    return second.settle(vector, first)


def examples() -> list[tuple[str, str]]:
    """What the tenant the caller is in teaches: texts and the names of their intents."""
    rows = IntentExample.objects.filter(intent__is_enabled=True).order_by("pk")
    return list(rows.values_list("text", "intent__name"))


def train(*, go_live: bool = True, progress: Progress = unwatched) -> IntentModel | None:
    """A stored model from the examples of the tenant the caller is in; None where fewer than two intents have any.

    Takes seconds for a thousand examples. Who made it live touches the tenant, so that processes load it.
    """
    trained = draft(progress)
    if trained is None:
        return None
    trained.save()
    return make_live(trained) if go_live else trained


def draft(progress: Progress = unwatched) -> IntentModel | None:
    """As `train`, but nothing is stored."""
    taught = examples()
    if len({name for _text, name in taught}) < 2:
        return None
    trained = intent.train_both(taught, progress=progress)
    return IntentModel(
        onnx=trained.quick,
        second=trained.second,
        examples=len(taught),
        accuracy=intent.load(trained.quick).facts.accuracy,
    )


def facts(model: IntentModel | None) -> intent.Facts | None:
    """What a stored model says about itself; None where this version cannot read it."""
    try:
        return intent.load(bytes(model.onnx)).facts if model else None
    except ValueError:
        return None


@transaction.atomic
def make_live(model: IntentModel) -> IntentModel:
    IntentModel.objects.exclude(pk=model.pk).update(is_live=False)
    model.is_live = True
    model.save(update_fields=["is_live"])
    return model
