from __future__ import annotations

import subprocess
import sys

import pytest

from inference.features import count_features
from inference.intent import OUT_OF_SCOPE, IntentModel, evaluate, load, train

EXAMPLES = [
    (text, intent)
    for intent, texts in {
        "order_status": "我的快递到哪了|订单什么时候发货|查一下物流|包裹还没到|订单到哪里了|where is my order|track my parcel",
        "refund": "我要退款|钱什么时候退|退款到账了吗|怎么申请退款|退款进度|I want a refund|refund my money",
        "hand_over": "转人工|找人工客服|我要和人说话|人工服务|叫个真人来|talk to a human|real person please",
        OUT_OF_SCOPE: "今天天气怎么样|写一首诗|股票涨了吗|讲个笑话|世界杯谁赢了|who is the president|tell me a joke",
    }.items()
    for text in texts.split("|")
]


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return load(train(EXAMPLES))


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("請問我的快遞到哪裡了", "order_status"),
        ("Ｒｅｆｕｎｄ my money!", "refund"),
        ("人工客服", "hand_over"),
        ("退款什么时候到账", "refund"),
    ],
)
def test_it_names_the_intent_of_other_wordings(model: IntentModel, text: str, intent: str) -> None:
    detected = model.predict(text)
    assert (detected.intent, detected.best) == (intent, intent)
    assert model.facts.threshold <= detected.confidence <= 1
    assert detected.runner_up not in (intent, OUT_OF_SCOPE)


@pytest.mark.parametrize("text", ["今天天气好吗", "", "？！", "😀", "ξψω", "tell me a poem", "x" * 10_000])
def test_it_names_nothing_when_it_should_not(model: IntentModel, text: str) -> None:
    detected = model.predict(text)
    assert detected.intent is None
    assert detected.best != OUT_OF_SCOPE


def test_it_trains_the_same_model_again() -> None:
    assert train(EXAMPLES) == train(list(EXAMPLES))


def test_it_names_features_alike_in_every_process() -> None:
    code = "from inference.features import count_features; print(sorted(count_features('退款 refund me').items()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(sorted(count_features("退款 refund me").items()))


def test_it_keeps_training_libraries_out_of_the_answering_process() -> None:
    code = (
        "import sys, inference.intent; print([m for m in ('sklearn', 'scipy', 'onnx') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_it_carries_its_facts(model: IntentModel) -> None:
    facts = model.facts
    assert facts.labels == ("hand_over", "order_status", OUT_OF_SCOPE, "refund")
    assert facts.counts["refund"] == 7
    assert 0 <= facts.accuracy <= 1 and 0 <= facts.false_alarms <= 1
    assert facts.out_of_scope_recall is not None


def test_it_works_without_examples_of_what_to_refuse() -> None:
    inside = [one for one in EXAMPLES if one[1] != OUT_OF_SCOPE]
    model = load(train(inside))
    assert model.facts.out_of_scope_recall is None
    assert model.predict("转人工客服").intent == "hand_over"
    assert model.predict("ξψω").intent is None


def test_it_tells_two_intents_apart() -> None:
    model = load(train([one for one in EXAMPLES if one[1] in ("refund", "hand_over")]))
    assert model.predict("退款").best == "refund"
    assert model.predict("人工").best == "hand_over"


def test_it_accepts_an_intent_with_a_single_example() -> None:
    model = load(train([*EXAMPLES, ("开发票", "invoice")]))
    assert model.predict("开发票").best == "invoice"


def test_it_refuses_to_train_on_one_intent() -> None:
    with pytest.raises(ValueError):
        train([("退款", "refund"), ("我要退款", "refund")])


@pytest.mark.parametrize("broken", [b"", b"not a model", b"\x00" * 100])
def test_it_refuses_what_is_no_model(broken: bytes) -> None:
    with pytest.raises(ValueError):
        load(broken)


def test_it_refuses_a_truncated_model() -> None:
    whole = train(EXAMPLES)
    with pytest.raises(ValueError):
        load(whole[: len(whole) // 2])


def test_it_reports_what_went_right_and_wrong(model: IntentModel) -> None:
    report = evaluate(model, [("转人工", "hand_over"), ("转人工", "refund"), ("讲个笑话", OUT_OF_SCOPE)])
    assert (report.examples, report.accuracy, report.accuracy_unrefused) == (3, 0.5, 0.5)
    assert report.out_of_scope_recall == 1.0
    assert report.false_alarms == 0.0
    assert report.confusions == (("refund", "hand_over", 1),)
    assert report.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
