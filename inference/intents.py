"""A tenant's intents: the pipeline's step that names them, and the training that makes it able to."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from inference import intent, second
from inference.intent import Detected
from inference.mind import second_of
from inference.models import IntentExample, IntentModel
from inference.turn import Lane, Turn
from tenants.progress import Progress, unwatched

logger = logging.getLogger(__name__)

Status = IntentModel.Status
UNFINISHED = (Status.QUEUED, Status.TRAINING)
KEPT = 20  # trainings
STAGES = {  # in per cent of a training
    "cross_validate": (5, 30),
    "embed": (30, 70),
    "cross_validate_meaning": (70, 95),
}


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
    opinion = await second_of(turn.tenant, turn.mind)
    if opinion is None or not opinion.is_wanted(turn.question, first):
        return first
    vector = await asyncio.to_thread(opinion.encoder.embed_question, turn.question)
    turn.note(first=first.intent, first_confidence=round(first.confidence, 3))
    return opinion.settle(vector, first)


async def is_meant(turn: Turn, name: str, sure: float) -> bool:
    """Whether the second opinion, by itself, is as sure that intent `name` is meant; yes where there is none that reads the question."""
    opinion = await second_of(turn.tenant, turn.mind)
    if opinion is None or not opinion.encoder.reads(turn.question):
        return True
    vector = await asyncio.to_thread(opinion.encoder.embed_question, turn.question)
    meant = opinion.alone(vector)
    turn.note(by_meaning=meant.best, surely=round(meant.confidence, 3))
    return meant.best == name and meant.confidence >= sure


def examples() -> list[tuple[str, str]]:
    """What the tenant the caller is in teaches: texts and the names of their intents."""
    rows = IntentExample.objects.filter(intent__is_enabled=True).order_by("pk")
    return list(rows.values_list("text", "intent__name"))


def train(*, go_live: bool = True) -> IntentModel | None:
    """A stored model from the examples of the tenant the caller is in; None where fewer than two intents have any.

    Takes seconds for a thousand examples. Who made it live touches the tenant, so that processes load it.
    """
    trained = IntentModel()
    if not learn(trained):
        return None
    trained.save()
    return make_live(trained) if go_live else trained


def learn(model: IntentModel, progress: Progress = unwatched) -> bool:
    """Fills `model` from the examples, and stores nothing; False where fewer than two intents have any."""
    taught = examples()
    if len({name for _text, name in taught}) < 2:
        return False
    trained = intent.train_both(taught, progress=progress)
    model.onnx, model.second, model.examples = trained.quick, trained.second, len(taught)
    model.accuracy = (
        second.load(trained.second).facts.together.accuracy
        if trained.second
        else intent.load(trained.quick).facts.accuracy
    )
    return True


def train_model(model_id: int) -> None:
    """Does a training that was asked for, and shows how far it is; the row says what was wrong, if anything was."""
    model = IntentModel.objects.get(pk=model_id)
    if model.status not in UNFINISHED:
        return  # sent twice, done once
    _show(model, Status.TRAINING, progress=0)
    try:
        learned = learn(model, partial(_show_progress, model))
    except DatabaseError:
        raise
    except Exception:
        # The boundary: whatever a library makes of the examples, the row must not stay "training" for ever.
        logger.exception("training of intent model %s failed", model_id)
        _show(model, Status.FAILED, reason=_("An unexpected error stopped the training. Try again."))
        return
    if not learned:
        _show(
            model,
            Status.FAILED,
            reason=_("At least two intents need examples before anything can be trained."),
        )
        return
    model.status, model.progress = Status.READY, 100
    IntentModel.objects.filter(pk=model.pk).update(
        **{
            name: getattr(model, name)
            for name in ("onnx", "second", "examples", "accuracy", "status", "progress")
        }
    )
    _forget_old()


def _show(model: IntentModel, status: str, *, progress: int | None = None, reason: str = "") -> None:
    model.status, model.reason = status, reason
    model.progress = model.progress if progress is None else progress
    IntentModel.objects.filter(pk=model.pk).update(status=status, reason=reason, progress=model.progress)


def _show_progress(model: IntentModel, what: str, done: int, total: int) -> None:
    begins, ends = STAGES[what]
    _show(model, Status.TRAINING, progress=begins + (ends - begins) * done // max(1, total))


def _forget_old() -> None:
    """Keeps the newest few and the one that answers: each may be some megabytes."""
    newest = list(IntentModel.objects.values_list("pk", flat=True)[:KEPT])
    IntentModel.objects.exclude(pk__in=newest).exclude(is_live=True).delete()


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
