"""The second opinion: what it knows, when it is asked, and whose it is."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from pytest_django import Settings

from inference import fitting, intent, intents, mind, second, second_training
from inference.fitting import Fitted
from inference.intent import OUT_OF_SCOPE, Trained
from inference.models import Intent, IntentExample, IntentModel
from inference.second import SecondOpinion
from inference.turn import Lane
from knowledge import encoders, english
from knowledge.embedding import embed, embed_question
from tenants.context import inside
from tenants.models import Tenant
from tests.inference.test_intent import EXAMPLES
from tests.inference.turns import a_mind, a_turn
from tests.onnx_models import make_encoder

IN_OTHER_WORDS = "give me my cash back"  # refund, with no word of any example but "my"


@pytest.fixture(scope="module")
def trained() -> Trained:
    return intent.train_both(EXAMPLES)


@pytest.fixture(scope="module")
def opinion(trained: Trained) -> SecondOpinion:
    assert trained.second
    return second.load(trained.second)


@pytest.mark.parametrize(
    ("text", "named"),
    [(IN_OTHER_WORDS, "refund"), ("我的包裹怎么还没有来", "order_status"), ("今天吃什么", None)],
)
def test_it_knows_a_question_by_its_meaning(opinion: SecondOpinion, text: str, named: str | None) -> None:
    detected = opinion.alone(embed_question(text))
    assert detected.intent == named
    assert 0 <= detected.confidence <= 1 and detected.runner_up not in (detected.best, None)


def test_it_weighs_both_opinions_together(trained: Trained, opinion: SecondOpinion) -> None:
    quick = intent.load(trained.quick)
    for text, label in EXAMPLES:
        settled = opinion.settle(embed_question(text), quick.predict(text))
        assert settled.best != OUT_OF_SCOPE
        assert label in (settled.best, OUT_OF_SCOPE)


def test_it_carries_its_facts(opinion: SecondOpinion) -> None:
    facts = opinion.facts
    assert facts.labels == ("hand_over", "order_status", "refund")
    assert 0 <= facts.weight <= 1 and 0 <= facts.ask_below <= 1 and 0 < facts.asked < 1
    for figures in (facts.alone, facts.together):
        assert 0 <= figures.accuracy <= figures.accuracy_unrefused <= 1
        assert figures.out_of_scope_recall is not None


def test_it_is_wanted_where_the_first_names_nothing_or_is_not_sure(opinion: SecondOpinion) -> None:
    just_enough = opinion.facts.ask_below + 0.01
    assert opinion.is_wanted("退款", intent.Detected(None, 1.0, "refund", None))
    assert opinion.is_wanted(
        "退款", intent.Detected("refund", opinion.facts.ask_below - 0.01, "refund", None)
    )
    assert not opinion.is_wanted("退款", intent.Detected("refund", just_enough, "refund", None))


@pytest.mark.parametrize("left_out", [OUT_OF_SCOPE, "order_status"])
def test_it_makes_do_with_less(left_out: str) -> None:
    some = [one for one in EXAMPLES if one[1] != left_out]
    trained = intent.train_both([*some, ("开发票", "invoice")])
    opinion = second.load(trained.second or b"")
    assert opinion.alone(embed_question("退款")).best == "refund"
    assert (opinion.facts.alone.out_of_scope_recall is None) == (left_out == OUT_OF_SCOPE)


def test_it_has_nothing_to_say_where_there_is_one_intent() -> None:
    one = [example for example in EXAMPLES if example[1] in ("refund", OUT_OF_SCOPE)]
    assert intent.train_both(one).second is None


@pytest.mark.parametrize("is_close", [True, False])
def test_what_it_serves_is_what_was_fitted(is_close: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_training, "fit", lambda *what: fitting.fit(*what[:3], is_close))
    inside = [one for one in EXAMPLES if one[1] != OUT_OF_SCOPE]
    opinion = second.load(intent.train_both(inside).second or b"")
    labels = opinion.facts.labels
    vectors = embed([text for text, _label in inside])
    truth = np.array([labels.index(label) for _text, label in inside])
    fitted = fitting.fit(vectors, truth, len(labels), is_close)
    asked = np.vstack([vectors, embed([IN_OTHER_WORDS])])
    served = [opinion.alone(vector).best for vector in asked]
    assert served == [labels[best] for best in fitted.scores(asked).argmax(axis=1)]
    assert served[-1] == "refund"


def test_it_bends_lines_for_few_examples_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: set[bool] = set()

    def watched(*what: Any) -> Fitted:
        tried.add(what[3])
        return fitting.fit(*what)

    monkeypatch.setattr(second_training, "fit", watched)
    intent.train_both(EXAMPLES)
    assert tried == {True, False}
    tried.clear()
    monkeypatch.setattr(second_training, "_FEW", len(EXAMPLES) - 1)
    intent.train_both(EXAMPLES)
    assert tried == {False}


def test_it_knows_its_own_examples_and_believes_none_alone() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 0, 1]]  # three alike of which one is named otherwise
    fitted = fitting.fit(vectors, np.array([0, 0, 1, 1]), 2, is_close=True)
    assert fitted.scores(vectors).argmax(axis=1).tolist() == [0, 0, 0, 1]


def test_it_refuses_what_another_version_or_encoder_made(trained: Trained) -> None:
    model = onnx.load_from_string(trained.second or b"")
    for old, new in (('"version": 1', '"version": 0'), ("use-multilingual", "other")):
        other = onnx.ModelProto()
        other.CopyFrom(model)
        (facts,) = other.metadata_props
        assert old in facts.value
        facts.value = facts.value.replace(old, new)
        with pytest.raises(ValueError, match="another version and must be trained again"):
            second.load(other.SerializeToString())
    for broken in (b"", b"not a model", trained.quick, (trained.second or b"")[:2000]):
        with pytest.raises(ValueError):
            second.load(broken)


def test_it_records_which_encoder_it_needs(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    inside = [(text, its) for text, its in EXAMPLES if text.isascii()]
    settings.MODELS = tmp_path
    words = sorted({word for text, _its in inside for word in re.findall(r"[a-z]+|[?!.,']", text.lower())})
    folder = make_encoder(tmp_path / "english", words)
    monkeypatch.setattr(encoders, "for_texts", lambda texts: [encoders.ENGLISH])
    made = intent.train_both(inside).second or b""
    opinion = second.load(made)
    assert opinion.encoder is encoders.ENGLISH
    text, its = next(one for one in inside if one[1] != OUT_OF_SCOPE)
    assert opinion.alone(opinion.encoder.embed_question(text)).best == its
    unsure = intent.Detected(None, 1.0, "refund", None)
    assert opinion.is_wanted("refund?", unsure) and not opinion.is_wanted("退款", unsure)
    (folder / "vocab.txt").unlink()
    with pytest.raises(ValueError, match="is not here"):
        second.load(made)
    for kept in (english._encoder, english._pieces):
        kept.cache_clear()


def test_it_keeps_training_libraries_out_of_the_answering_process() -> None:
    code = (
        "import sys, inference.second; print([m for m in ('sklearn', 'scipy', 'onnx') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# --- In a tenant ------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(live_acme: Tenant) -> Iterator[mind.Mind]:
    """What Acme's bot has in mind after it was trained with EXAMPLES; committed, because coroutines read it."""
    with inside(live_acme):
        for name in sorted({name for _text, name in EXAMPLES}):
            row = Intent.objects.create(name=name, title=name)
            IntentExample.objects.bulk_create(
                IntentExample(intent=row, text=text) for text, its in EXAMPLES if its == name
            )
        intents.train()
        yield mind.load(live_acme)
        Intent.objects.all().delete()
        IntentModel.objects.all().delete()
    mind._seconds.clear()


def detected(tenant: Tenant, known: mind.Mind, question: str, lane: Lane) -> Any:
    turn = a_turn(question, known, tenant=tenant, lane=lane, path=[{}])
    asyncio.run(intents.detect_intent(turn))
    return turn


def test_workers_ask_it_and_the_quick_lane_does_not(live_acme: Tenant, known: mind.Mind) -> None:
    quick = detected(live_acme, known, "今天吃什么", Lane.QUICK)
    assert quick.detected.intent is None and "first_confidence" not in quick.path[-1]
    worker = detected(live_acme, known, "今天吃什么", Lane.WORKER)
    assert worker.path[-1]["first"] is None and "first_confidence" in worker.path[-1]
    assert worker.detected.confidence != quick.detected.confidence


def test_it_is_not_asked_what_the_first_is_sure_of(live_acme: Tenant, known: mind.Mind) -> None:
    sure = detected(live_acme, known, "转人工", Lane.WORKER)
    assert sure.detected.intent == "hand_over" and "first" not in sure.path[-1]


def test_it_is_each_tenants_own(live_acme: Tenant, live_globex: Tenant, known: mind.Mind) -> None:
    detected(live_acme, known, IN_OTHER_WORDS, Lane.WORKER)
    with inside(live_globex):
        assert mind.load(live_globex).intent_model is None
        assert mind._second_opinion(live_globex, known.intent_model_number or 0) is None
    nothing = detected(live_globex, a_mind(), IN_OTHER_WORDS, Lane.WORKER)
    assert nothing.detected is None
    assert set(mind._seconds) == {"acme"}


def test_it_follows_the_model_that_is_live(live_acme: Tenant, known: mind.Mind) -> None:
    detected(live_acme, known, "今天吃什么", Lane.WORKER)
    with inside(live_acme):
        intents.train()
        again = mind.load(live_acme)
    assert again.intent_model_number != known.intent_model_number
    detected(live_acme, again, "今天吃什么", Lane.WORKER)
    number, opinion = mind._seconds["acme"]
    assert number == again.intent_model_number and opinion


def test_one_that_cannot_be_read_leaves_the_first_to_answer(live_acme: Tenant, known: mind.Mind) -> None:
    with inside(live_acme):
        IntentModel.objects.update(second=b"of long ago")
    turn = detected(live_acme, known, "今天吃什么", Lane.WORKER)
    assert turn.detected.intent is None and "first" not in turn.path[-1]
