"""Turns a language model into a folder that onnxruntime-genai reads: `model_builder.py SOURCE TARGET PRECISION DEVICE`.

Run by path, by the Python of an environment of its own that has torch and the rest of NEEDED: the product never has them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("torch", "transformers", "accelerate", "gguf", "onnx_ir", "onnxruntime_genai")
MISSING = 3  # exit status


def main(source: str, target: str, precision: str, device: str) -> int:
    missing = [name for name in NEEDED if not find_spec(name)]
    if missing:
        sys.stderr.write(f"{' '.join(missing)}\n")
        return MISSING
    with tempfile.TemporaryDirectory(prefix="kefu-model-") as scratch:
        folder = Path(source)
        if folder.is_file():
            folder = unpacked(folder, Path(scratch) / "weights")
        build(folder, Path(target), Path(scratch) / "cache", precision, device)
    return 0


def unpacked(file: Path, folder: Path) -> Path:
    """A GGUF file as a folder of plain weights.

    The builder reads no quantised GGUF: a model that was loaded from one still says that it is quantised. So its weights go into a fresh
    one of the same shape.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    told = {"gguf_file": file.name}
    loaded = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **told)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = type(loaded)(config)
    fresh.load_state_dict(loaded.state_dict())
    fresh.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, **told).save_pretrained(folder)
    return folder


def build(folder: Path, target: Path, cache: Path, precision: str, device: str) -> None:
    place = find_spec("onnxruntime_genai")
    assert place and place.origin
    builder = Path(place.origin).parent / "models" / "builder.py"  # looks for its parts beside itself
    options = ["-i", folder, "-o", target, "-c", cache, "-p", precision, "-e", device]
    command = [sys.executable, builder, *options, "--extra_options", "hf_token=false"]
    subprocess.run([str(word) for word in command], check=True)
    name_tokenizer(target / "tokenizer_config.json")


def name_tokenizer(file: Path) -> None:
    """The runtime knows tokenizers by the names of their classes, and not by the newer names: byte pairs are GPT-2's to it."""
    config = json.loads(file.read_text())
    if config.get("tokenizer_class") in ("TokenizersBackend", "PreTrainedTokenizerFast"):
        config["tokenizer_class"] = "GPT2Tokenizer"
        file.write_text(json.dumps(config, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
