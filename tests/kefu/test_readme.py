from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from inference import pipeline
from kefu.demo import content
from kefu.dev import model_files

PROJECT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ("README.md", "README.zh-CN.md", "CHANGELOG.md", "SECURITY.md", "chat/PROTOCOL.md")
READMES = ("README.md", "README.zh-CN.md")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
VARIABLE = re.compile(r"\b(?:KEFU_[A-Z_]+|[A-Z]+_URL)\b")
READ_BY_MAKE_RUN = {"KEFU_PORT", "KEFU_DEMO_PASSWORD"}


def text_of(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def settings_read() -> set[str]:
    """Every name that kefu/settings.py asks the environment for; a secret may also come from a file."""
    calls = [node for node in ast.walk(ast.parse(text_of("kefu/settings.py"))) if isinstance(node, ast.Call)]
    asked = {(ast.unparse(call.func), call.args[0].value) for call in calls if literal(call)}
    plain = {name for function, name in asked if function.startswith("env.")}
    secrets = {name for function, name in asked if function == "secret"}
    return plain | secrets | {f"{name}_FILE" for name in secrets}


def literal(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


@pytest.mark.parametrize("name", READMES)
def test_it_names_every_setting_and_none_that_nobody_reads(name: str) -> None:
    assert "KEFU_SECRET_KEY" in settings_read()
    assert set(VARIABLE.findall(text_of(name))) == settings_read() | READ_BY_MAKE_RUN


@pytest.mark.parametrize("name", DOCUMENTS)
def test_its_links_lead_to_files_that_are_there(name: str) -> None:
    links = [link for link in LINK.findall(text_of(name)) if "://" not in link]
    folder = (PROJECT / name).parent
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("name", READMES)
def test_it_shows_the_pipeline_as_it_is(name: str) -> None:
    shown = re.sub(r"\s*>\s*", " ", text_of(name))
    for title, steps in (("ANSWER", pipeline.ANSWER), ("FINISH", pipeline.FINISH)):
        assert f"{title}  {' '.join(step.__name__ for step in steps)}" in shown


@pytest.mark.parametrize("name", READMES)
def test_it_names_only_verbs_that_the_makefile_has(name: str) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    named = set(re.findall(r"(?:^    |`|\d )make ([a-z-]+)", text_of(name), re.M))
    assert {"run", "test", "model"} <= named <= verbs


@pytest.mark.parametrize("name", READMES)
def test_it_names_the_logins_of_the_demo_companies(name: str) -> None:
    for company in content.COMPANIES:
        about = content.read(company, "tenant")
        assert f"http://{company}.localhost:8000/demo/" in text_of(name)
        for person in (*about["agents"], about["admin"]):
            assert f"`{person['username']}`" in text_of(name)


@pytest.mark.parametrize("name", READMES)
def test_it_says_how_much_a_model_weighs(name: str) -> None:
    for model in (model_files.USUAL, model_files.SMALL):
        assert f"{model.size / 1e9:.1f} GB" in text_of(name)


def test_both_languages_say_the_same() -> None:
    english, chinese = (text_of(name) for name in READMES)
    assert len(headings(english)) == len(headings(chinese))
    assert rows_of(english) == rows_of(chinese)
    assert LINK.findall(english)[1:] == LINK.findall(chinese)[1:]  # the first leads to the other language


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ .+", text, re.M)


def rows_of(text: str) -> list[int]:
    """The lengths of its tables and lists, in order."""
    return [block.count("\n") + 1 for block in re.findall(r"(?:^(?:\||- ).*\n?)+", text, re.M)]
