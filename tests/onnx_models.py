"""Language models of a few kilobytes that say what they are told to, in folders that onnxruntime-genai really loads.

    make(models / "polite", ["可以", "换。"])              # says that, and ends
    make(models / "endless", ["la ", "lo "], ends=False)   # goes on for ever

Each is a graph that knows, of every token, which one comes next. `effort` makes each step as slow as one of a grown-up model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BEGIN, END = "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 1500  # of the matrix by which a step is multiplied for nothing


def make(folder: Path, pieces: list[str], *, ends: bool = True, effort: int = 0, context: int = 4096) -> Path:
    """`pieces` are a token each; none may come twice."""
    folder.mkdir(parents=True)
    alphabet = _alphabet()
    words = [*alphabet.values(), *("".join(alphabet[byte] for byte in piece.encode()) for piece in pieces)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*words, BEGIN, END]))}
    end, said = vocabulary[END], [vocabulary[word] for word in words[len(alphabet) :]]
    _write_tokenizer(folder, vocabulary)
    follows = dict(zip(said, [*said[1:], end if ends else said[0]], strict=True))
    after = [follows.get(number, said[0]) for number in range(len(vocabulary))]
    onnx.save(_graph(after, effort), folder / "model.onnx")
    _write(folder / "genai_config.json", _config(len(vocabulary), vocabulary[BEGIN], end, context))
    return folder


def make_encoder(folder: Path, words: list[str]) -> Path:
    """An encoder like MiniLM, in which each of `words` has a vector of its own: texts of the same words are alike, whatever they mean."""
    folder.mkdir(parents=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    (folder / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    vectors = np.random.default_rng(1).normal(size=(len(pieces), 384)).astype(np.float32)
    vectors[:4] /= 100
    numbers, states = ["texts", "pieces"], ["texts", "pieces", 384]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["vectors", "input_ids"], ["last_hidden_state"])],
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, numbers)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, states)],
        [numpy_helper.from_array(vectors, "vectors")],
    )
    onnx.save(
        helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]),
        folder / "model.onnx",
    )
    return folder


def _alphabet() -> dict[int, str]:
    """How byte pair encodings write each byte as a letter that can be seen."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + n) for n, byte in enumerate(unseen)}


def _write_tokenizer(folder: Path, vocabulary: dict[str, int]) -> None:
    marks = [
        {"id": vocabulary[mark], "content": mark, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for mark in (BEGIN, END)
    ]
    bytewise: dict[str, Any] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "fuse_unk": False, "byte_fallback": False}
    parts = {"normalizer": None, "pre_tokenizer": bytewise, "post_processor": bytewise, "decoder": bytewise}
    _write(folder / "tokenizer.json", {"version": "1.0", "added_tokens": marks, **parts, "model": model})
    about = {
        "tokenizer_class": "GPT2Tokenizer",
        "bos_token": BEGIN,
        "eos_token": END,
        "chat_template": TEMPLATE,
    }
    _write(folder / "tokenizer_config.json", about)


def _graph(after: list[int], effort: int) -> onnx.ModelProto:
    """Keys and values are there because a language model has them: they count how much was read."""
    size = len(after)
    table = np.zeros((size, size), np.float32)
    table[range(size), after] = 100.0
    constants = {
        "table": table, "axis": np.array([1, 3], np.int64), "pair": np.ones((1, 1, 1, 2), np.float32),
        "last": np.array([2], np.int64), "row": np.full((1, 1, WIDTH), 1e-9, np.float32),
    }  # fmt: skip
    if effort:
        constants["matrix"] = np.full((WIDTH, WIDTH), 1e-9, np.float32)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["told"]),
        node("Cast", ["input_ids"], ["number"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["number", "axis"], ["column"]),  # batch, 1, tokens, 1
        node("Mul", ["column", "pair"], ["read"]),
        node("Concat", ["past.0.key", "read"], ["present.0.key"], axis=2),
        node("Concat", ["past.0.value", "read"], ["present.0.value"], axis=2),
        node("Unsqueeze", ["number", "last"], ["deep"]),
        node("Mul", ["deep", "row"], ["work0"]),
        *(node("MatMul", [f"work{n}", "matrix"], [f"work{n + 1}"]) for n in range(effort)),
        node("ReduceMax", [f"work{effort}", "last"], ["nothing"], keepdims=1),
        node("Add", ["told", "nothing"], ["logits"]),
    ]
    past = ["batch", 1, "past", 2]
    inputs = [_tensor("input_ids", ["batch", "tokens"], TensorProto.INT64)]
    inputs += [_tensor("attention_mask", ["batch", "total"], TensorProto.INT64)]
    inputs += [_tensor(f"past.0.{kind}", past) for kind in ("key", "value")]
    outputs = [_tensor("logits", ["batch", "tokens", size])]
    outputs += [_tensor(f"present.0.{kind}", ["batch", 1, "all", 2]) for kind in ("key", "value")]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "says", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _tensor(name: str, shape: list[str | int], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _config(size: int, begin: int, end: int, context: int) -> dict[str, Any]:
    decoder = {
        "session_options": {"provider_options": []},
        "filename": "model.onnx", "head_size": 2, "hidden_size": 2,
        "num_attention_heads": 1, "num_hidden_layers": 1, "num_key_value_heads": 1,
        "inputs": {
            "input_ids": "input_ids", "attention_mask": "attention_mask",
            "past_key_names": "past.%d.key", "past_value_names": "past.%d.value",
        },
        "outputs": {
            "logits": "logits", "present_key_names": "present.%d.key", "present_value_names": "present.%d.value",
        },
    }  # fmt: skip
    model = {"type": "llama", "context_length": context, "vocab_size": size, "decoder": decoder}
    model |= {"bos_token_id": begin, "eos_token_id": end, "pad_token_id": end}
    return {"model": model, "search": {"max_length": context, "past_present_share_buffer": False}}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))
