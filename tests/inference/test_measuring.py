"""`manage.py intent_evaluate` and `intent_train`, as the operator runs them, and the files that they read."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import translation

from inference import labelled, measuring
from inference.intent import OUT_OF_SCOPE
from inference.labelled import LabelledFileError
from inference.models import Intent, IntentExample, IntentModel
from tenants.context import inside
from tenants.models import Tenant
from tests.admin import revision
from tests.inference.test_intent import EXAMPLES

CSV = "text,category\n" + "".join(f"{text},{name}\n" for text, name in EXAMPLES)


@dataclass
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*words: object, language: str = "en") -> Said:
    out, err, code = StringIO(), StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err), translation.override(language):
        try:
            call_command(*map(str, words))
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def file(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "text,category\n退款,refund\n讲个笑话,oos\n"),
        ("a.csv", "\ufeffcategory,text\r\nrefund,退款\r\noos,讲个笑话\r\n"),
        (
            "a.jsonl",
            '{"text": "退款", "intent": "refund"}\n\n{"text": "讲个笑话", "intent": "out_of_scope"}\n',
        ),
        ("a.json", '{"text": "退款", "intent": "refund"}\n{"text": "讲个笑话", "intent": "oos"}'),
        ("a.json", '{"train": [["退款", "refund"]], "oos_train": [["讲个笑话", "oos"]], "test": []}'),
    ],
)
def test_it_reads_what_others_publish(tmp_path: Path, name: str, text: str) -> None:
    assert labelled.read(file(tmp_path, name, text)) == [("退款", "refund"), ("讲个笑话", OUT_OF_SCOPE)]


def test_it_reads_the_part_that_is_asked_for(tmp_path: Path) -> None:
    parts = (
        '{"train": [["退款", "refund"]], "test": [["开发票", "invoice"]], "oos_test": [["你好吗", "oos"]]}'
    )
    path = file(tmp_path, "clinc.json", parts)
    assert labelled.read(path, part="test") == [("开发票", "invoice"), ("你好吗", OUT_OF_SCOPE)]


@pytest.mark.parametrize(
    ("name", "text", "line", "why"),
    [
        ("a.csv", "退款,refund\n", 1, "first line must name the columns"),
        ("a.csv", "text,category\n退款,refund\n,refund\n", 3, "no text"),
        ("a.csv", "text,category\n退款\n", 2, "no intent"),
        ("a.csv", 'text,category\n退款,refund\n"开,x\n', 3, "quotation mark"),
        ("a.csv", "text,category\n退款,refund\n".encode("gb18030"), 2, "not UTF-8"),
        ("a.jsonl", '{"text": "退款", "intent": "refund"}\n{"text": "退', 2, "not JSON"),
        ("a.jsonl", '{"text": "退款", "intent": "refund"}\n["退款"]\n', 2, "each line must be like"),
        ("a.jsonl", '{"text": "退款", "intent": 7}', 1, "no intent"),
    ],
)
def test_it_names_the_line_at_fault(
    tmp_path: Path, name: str, text: str | bytes, line: int, why: str
) -> None:
    with translation.override("en"), pytest.raises(LabelledFileError) as caught:
        labelled.read(file(tmp_path, name, text))
    assert f"{name}, line {line}: " in str(caught.value) and why in str(caught.value)


@pytest.mark.parametrize("text", ["text,category\n", '{"validation": []}', '{"train": [["退款"]]}'])
def test_it_refuses_files_without_examples(tmp_path: Path, text: str) -> None:
    with pytest.raises(LabelledFileError):
        labelled.read(file(tmp_path, "a.json", text))


# --- Measuring --------------------------------------------------------------------------------------------------------


def test_it_measures_each_example_once_on_a_model_that_did_not_see_it() -> None:
    runs = measuring.folds(EXAMPLES, 5)
    assert sorted(example for _train, test in runs for example in test) == sorted(EXAMPLES)
    for train, test in runs:
        assert not set(train) & set(test)
        assert {name for _text, name in train} == {name for _text, name in EXAMPLES}


def test_it_trains_with_a_few_of_each_intent_and_never_the_same() -> None:
    first, second = measuring.few_shots(EXAMPLES, EXAMPLES, shots=2, seeds=2)
    inside_scope = [name for _text, name in first[0] if name != OUT_OF_SCOPE]
    assert sorted(inside_scope) == ["hand_over"] * 2 + ["order_status"] * 2 + ["refund"] * 2
    assert set(first[0]) != set(second[0])


def test_it_evaluates_a_file_with_another(tmp_path: Path) -> None:
    train, test = file(tmp_path, "train.csv", CSV), file(tmp_path, "test.csv", CSV)
    said = run("intent_evaluate", "--train", train, "--test", test, "--json")
    assert said.code == 0 and said.json["together"]["examples"] == len(EXAMPLES)
    assert said.json["quick"]["accuracy_unrefused"] == 1  # it has seen them all
    assert said.json["second"]["accuracy_unrefused"] == 1 and 0 < said.json["asked"] < 1
    assert min(said.json["bytes"]) > 1000 and said.json["milliseconds"][0] > 0
    shown = run("intent_evaluate", "--train", train, "--test", test).out
    assert "macro-F1" in shown and "100.0%" in shown


def test_it_cross_validates_a_file_alone(tmp_path: Path) -> None:
    said = run("intent_evaluate", "--train", file(tmp_path, "a.csv", CSV), "--folds", "3", "--json")
    assert said.json["together"]["examples"] == len(EXAMPLES)
    assert len(said.json["accuracies"]) == 3


def test_it_says_what_is_wrong_with_a_file_in_the_operators_language(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", "text,category\n退款,refund\n")
    said = run("intent_evaluate", "--train", path)
    assert said.code == 1 and "at least two intents" in said.err and "Traceback" not in said.err
    said = run("intent_evaluate", "--train", tmp_path / "none.csv", "--json")
    assert said.code == 1 and "none.csv" in said.json["error"]


# --- A tenant's own ---------------------------------------------------------------------------------------------------


def teach(**intents: str) -> None:
    for name, texts in intents.items():
        intent = Intent.objects.create(name=name, title=name)
        IntentExample.objects.bulk_create(
            IntentExample(intent=intent, text=text) for text in texts.split("|")
        )


def test_it_trains_one_tenant_from_its_own_examples(acme: Tenant, globex: Tenant) -> None:
    with inside(acme):
        teach(returns="我要退货|怎么退货|退货流程", invoice="开发票|要发票|发票怎么开")
    with inside(globex):
        teach(roaming="国际漫游|漫游资费|出国流量", balance="查话费|话费余额|还有多少话费")
    before, neighbours = revision(acme), revision(globex)
    said = run("intent_train", "--tenant", "acme", "--json")
    assert said.code == 0, said.err
    assert said.json["before"] is None and said.json["after"]["labels"] == ["invoice", "returns"]
    assert revision(acme) > before and revision(globex) == neighbours
    with inside(acme):
        assert IntentModel.objects.get(is_live=True).pk == said.json["model"]
    with inside(globex):
        assert not IntentModel.objects.exists()
    assert "漫游" not in said.out and "roaming" not in said.out


def test_it_only_says_what_would_come_of_it(acme: Tenant) -> None:
    with inside(acme):
        teach(returns="我要退货|怎么退货|退货流程", invoice="开发票|要发票|发票怎么开")
    before = revision(acme)
    said = run("intent_train", "--tenant", "acme", "--dry-run")
    assert said.code == 0 and "before" in said.out and "Nothing was stored" in said.out
    with inside(acme):
        assert not IntentModel.objects.exists()
    assert revision(acme) == before


@pytest.mark.parametrize(
    ("tenant", "why"), [("nobody", "no tenant nobody"), ("acme", "At least two intents")]
)
def test_it_says_why_it_trains_nothing(acme: Tenant, tenant: str, why: str) -> None:
    said = run("intent_train", "--tenant", tenant)
    assert said.code == 1 and why in said.err
