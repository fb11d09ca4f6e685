"""Converting a model: what is said when it cannot be done, and that nothing half is left. The converting itself needs torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inference.local import folders
from kefu.dev.model_builder import name_tokenizer

BUILDS = 'mkdir -p "$4"; echo {} > "$4/genai_config.json"'
BREAKS = BUILDS + "; echo 'no room for the weights' >&2; exit 1"


@pytest.fixture
def source(tmp_path: Path, settings: Any) -> Path:
    settings.MODELS = tmp_path / "models"
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    return tmp_path / "small.gguf"


def python(folder: Path, script: str) -> str:
    """Another environment's, as far as it is asked: -P, the script, the source, the target, and how."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\n[ "$1" = -P ] && [ "$3" = "{folder}/small.gguf" ] || exit 9\n{script}\n')
    path.chmod(0o755)
    return str(path)


def convert(source: Path, settings: Any, python: str = sys.executable) -> None:
    call_command(
        "model", "convert", str(source), str(settings.MODELS / "small"), "--python", python, verbosity=0
    )


def test_it_makes_a_folder_that_can_be_chosen(source: Path, settings: Any) -> None:
    convert(source, settings, python(source.parent, BUILDS))
    assert folders.names() == ["small"]
    assert [path.name for path in settings.MODELS.iterdir()] == ["small"]


def test_it_says_what_to_install_and_where(source: Path, settings: Any) -> None:
    """The product's own environment has no torch, and is not to get one."""
    with pytest.raises(CommandError) as error:
        convert(source, settings)
    said = str(error.value)
    assert "lacks torch" in said and "-m venv" in said and "pip install torch" in said and "--python" in said
    assert folders.names() == []


def test_it_leaves_nothing_half(source: Path, settings: Any) -> None:
    with pytest.raises(CommandError, match="no room for the weights"):
        convert(source, settings, python(source.parent, BREAKS))
    assert list(settings.MODELS.iterdir()) == []


def test_it_overwrites_no_model(source: Path, settings: Any) -> None:
    (settings.MODELS / "small").mkdir(parents=True)
    with pytest.raises(CommandError, match="there already"):
        convert(source, settings, python(source.parent, BUILDS))
    with pytest.raises(CommandError, match="There is no"):
        convert(source.with_name("other.gguf"), settings)


def test_it_names_the_tokenizer_as_the_runtime_knows_it(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer_config.json"
    for name, known in (("TokenizersBackend", "GPT2Tokenizer"), ("LlamaTokenizer", "LlamaTokenizer")):
        file.write_text(json.dumps({"tokenizer_class": name, "eos_token": "</s>"}))
        name_tokenizer(file)
        assert json.loads(file.read_text()) == {"tokenizer_class": known, "eos_token": "</s>"}
