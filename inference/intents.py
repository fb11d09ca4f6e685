"""A tenant's intents: the pipeline's step that names them, and the training that makes it able to."""

from __future__ import annotations

from django.db import transaction

from inference import intent
from inference.models import IntentExample, IntentModel
from inference.turn import Turn


async def detect_intent(turn: Turn) -> None:
    """Names what is asked, and how surely; leaves it unnamed where the tenant has no trained model yet."""
    if turn.mind.intent_model is None or not turn.question:
        return
    turn.detected = turn.mind.intent_model.predict(turn.question)
    turn.note(
        intent=turn.detected.intent, best=turn.detected.best, confidence=round(turn.detected.confidence, 3)
    )


def train(*, go_live: bool = True) -> IntentModel | None:
    """A model from the examples of the tenant the caller is in; None where fewer than two intents have any.

    Takes seconds for a thousand examples. Who made it live touches the tenant, so that processes load it.
    """
    rows = IntentExample.objects.filter(intent__is_enabled=True).values_list("text", "intent__name")
    examples = [(text, name) for text, name in rows]
    if len({name for _text, name in examples}) < 2:
        return None
    onnx = intent.train(examples)
    accuracy = intent.load(onnx).facts.accuracy
    trained = IntentModel.objects.create(onnx=onnx, examples=len(examples), accuracy=accuracy)
    return make_live(trained) if go_live else trained


@transaction.atomic
def make_live(model: IntentModel) -> IntentModel:
    IntentModel.objects.exclude(pk=model.pk).update(is_live=False)
    model.is_live = True
    model.save(update_fields=["is_live"])
    return model
