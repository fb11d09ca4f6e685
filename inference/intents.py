"""A tenant's intents: the pipeline's step that names them, and the training that makes it able to."""

from __future__ import annotations

from django.db import transaction

from inference import intent
from inference.models import IntentExample, IntentModel
from inference.turn import Turn
from tenants.progress import Progress, unwatched


async def detect_intent(turn: Turn) -> None:
    """Names what is asked, and how surely; leaves it unnamed where the tenant has no trained model yet."""
    if turn.mind.intent_model is None or not turn.question:
        return
    turn.detected = turn.mind.intent_model.predict(turn.question)
    turn.note(
        intent=turn.detected.intent, best=turn.detected.best, confidence=round(turn.detected.confidence, 3)
    )


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
    onnx = intent.train(taught, progress=progress)
    return IntentModel(onnx=onnx, examples=len(taught), accuracy=intent.load(onnx).facts.accuracy)


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
