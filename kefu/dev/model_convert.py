"""`manage.py model convert`: a language model as a folder that workers can run themselves.

Torch does the converting and nothing else here, so it lives in an environment of its own, which can be removed afterwards.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kefu.dev import model_builder
from kefu.dev.processes import CannotStart

# As they were when the conversion was last seen to work; torch from its own index is the smaller one, without a GPU.
PACKAGES = "torch==2.13.* transformers==5.24.* accelerate==1.15.* gguf==0.19.* onnx-ir==1.1.* onnxruntime-genai==0.18.*"
LAST_LINES = 12


def convert(
    source: Path, target: Path, python: str, precision: str, device: str, say: Callable[[str], None]
) -> None:
    """Raises CannotStart. `target` appears when it is whole."""
    if not source.exists():
        raise CannotStart(f"There is no {source}.")
    if target.exists():
        raise CannotStart(f"{target} is there already; remove it, or choose another name.")
    unfinished = target.with_name(f".{target.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    say(f"Converting {source}; some minutes, and memory for all its weights")
    script = Path(model_builder.__file__)
    # By path and in isolation (-P): the other environment has none of our packages.
    done = subprocess.run(
        [python, "-P", str(script), str(source.absolute()), str(unfinished.absolute()), precision, device],
        capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode == model_builder.MISSING:
        raise CannotStart(how_to_install(python, done.stderr.split()))
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise CannotStart("The conversion failed:\n" + "\n".join(done.stderr.splitlines()[-LAST_LINES:]))
    unfinished.rename(target)


def how_to_install(python: str, missing: list[str]) -> str:
    return (
        f"{python} lacks {', '.join(missing)}. Converting needs an environment of its own (about 1.5 GB), used for nothing else:\n"
        f"  {Path(sys.executable).name} -m venv /tmp/convert\n"
        f"  /tmp/convert/bin/pip install {PACKAGES}\n"
        "then the same command with --python /tmp/convert/bin/python"
    )
