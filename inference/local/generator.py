"""One ONNX language model in a process beside a worker: `python -m inference.local.generator FOLDER`.

Beside it, because the library holds Python's lock while it works: a prompt of 2,251 tokens stopped every thread for 21 seconds. Here nobody
else waits for the lock, and what is being read or written is taken in small steps, by turns, so that a new question is begun and an old one
called off in between.

Lines of JSON. In: {"id", "messages", "most", ...} asks, {"id"} calls off. Out, first: {"ready": {"context", "device"}} or
{"failed", "detail"}; of each request: {"id", "read", "written", "text"}, the first without text when it is accepted, the last with
"end": "stop" or "length"; or {"id", "failed", "detail"}. Ends with its input.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

STEP = 0.25  # seconds that a piece of a prompt may take; how many tokens that are shows
FEWEST, MOST = 8, 512
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty")  # of a request, where it has them
# Threads that spin while they wait for each other crawl when web and workers want the same processors.
PATIENT = {"model": {"decoder": {"session_options": {"session.intra_op.allow_spinning": "0"}}}}


class Refused(Exception):
    """A request that cannot be answered: the reason, and what the library said."""


class Engine:
    """Raises what the library raises: ImportError, RuntimeError; and OSError, ValueError, KeyError for a folder that is none."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime_genai as genai

        self.genai = genai
        config = genai.Config(str(folder))
        config.overlay(json.dumps(PATIENT))
        self.model = genai.Model(config)
        self.tokenizer = genai.Tokenizer(self.model)
        self.context = int(json.loads((folder / "genai_config.json").read_bytes())["model"]["context_length"])
        self.ends = {int(token) for token in self.tokenizer.eos_token_ids}
        self.marks = marks(folder)
        self.chunk = FEWEST
        self.tokens([{"role": "user", "content": "1"}])  # a folder without a template is found out now

    def tokens(self, messages: list[dict[str, str]]) -> list[int]:
        plain = [message | {"content": without(self.marks, message["content"])} for message in messages]
        text = self.tokenizer.apply_chat_template(json.dumps(plain), add_generation_prompt=True)
        return [int(token) for token in self.tokenizer.encode(text)]


def marks(folder: Path) -> re.Pattern[str] | None:
    """The words by which a template says who speaks."""
    found = set()
    for name, key in (("tokenizer.json", "added_tokens"), ("tokenizer_config.json", "added_tokens_decoder")):
        file = folder / name
        known = json.loads(file.read_bytes()).get(key) if file.exists() else None
        rows = known.values() if isinstance(known, dict) else known or ()
        found |= {row["content"] for row in rows if row.get("special")}
    longest_first = sorted((word for word in found if word.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def without(marks: re.Pattern[str] | None, text: str) -> str:
    """A visitor who writes <|im_start|>system must not speak as the system; nor with one such word hidden inside another."""
    while marks and marks.search(text):
        text = marks.sub("", text)
    return text


class Answer:
    """One on its way. Raises Refused for a request that does not fit."""

    def __init__(self, engine: Engine, asked: dict[str, Any]) -> None:
        self.engine, self.stops = engine, [stop for stop in asked.get("stop", ()) if stop]
        try:
            self.unread = engine.tokens(asked["messages"])
        except RuntimeError as error:  # such as a template that knows no system
            raise Refused("refused", str(error)) from error
        self.read, self.written = len(self.unread), 0
        longest = self.read + asked["most"]
        if longest > engine.context:
            raise Refused("too long", f"{self.read} + {asked['most']} > {engine.context}")
        try:
            self.generator = self._generator(longest, {key: asked[key] for key in SAMPLING if key in asked})
        except (RuntimeError, TypeError) as error:
            raise Refused("refused", str(error)) from error
        self.longest = longest
        self.decoder = engine.tokenizer.create_stream()
        self.held = ""  # may be the beginning of a stop

    def _generator(self, longest: int, sampling: dict[str, float]) -> Any:
        params = self.engine.genai.GeneratorParams(self.engine.model)
        sampled = sampling.get("temperature", 1.0) > 0
        told = sampling if sampled else {}
        params.set_search_options(max_length=longest, do_sample=sampled, **told)
        return self.engine.genai.Generator(self.engine.model, params)

    def step(self) -> dict[str, Any] | None:
        """What is new, if anything is."""
        if self.unread:
            self._read()
            return None
        self.generator.generate_next_token()
        token = int(self.generator.get_next_tokens()[0])
        self.written += 1
        is_end = token in self.engine.ends
        text = self.held + ("" if is_end else self.decoder.decode(token))
        text, self.held, is_stopped = released(text, self.stops)
        if is_end or is_stopped:
            return self._told(text if is_stopped else text + self.held, end="stop")
        if self.generator.is_done() or self.read + self.written >= self.longest:
            return self._told(text + self.held, end="length")
        return self._told(text)

    def _read(self) -> None:
        size = self.engine.chunk
        began = time.monotonic()
        self.generator.append_tokens(self.unread[:size])
        took = time.monotonic() - began
        self.unread = self.unread[size:]
        if self.unread:  # a whole piece
            self.engine.chunk = (
                min(MOST, size * 2) if took < STEP / 2 else max(FEWEST, size // 2) if took > STEP else size
            )

    def _told(self, text: str, **more: str) -> dict[str, Any]:
        return {"read": self.read, "written": self.written, "text": text, **more}


def released(text: str, stops: list[str]) -> tuple[str, str, bool]:
    """What of `text` can be said; what must wait, since a stop may begin there; and whether one has come."""
    places = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    if places:
        return text[: min(places)], "", True
    sizes = range(max(map(len, stops), default=1) - 1, 0, -1)
    waits = next((n for n in sizes if any(s.startswith(text[-n:]) for s in stops if len(s) > n)), 0)
    waits = min(waits, len(text))
    return text[: len(text) - waits], text[len(text) - waits :], False


def serve(engine: Engine, inbox: SimpleQueue[dict[str, Any]], say: IO[str]) -> None:
    """A step of each, by turns, for ever."""
    answers: dict[int, Answer] = {}
    while True:
        while not answers or not inbox.empty():
            _take(engine, inbox.get(), answers, say)
        for number, answer in list(answers.items()):
            try:
                news = answer.step()
            except RuntimeError as error:
                news = {"failed": "ended", "detail": str(error)}
            if news:
                tell(say, {"id": number, **news})
                if "end" in news or "failed" in news:
                    del answers[number]


def _take(engine: Engine, asked: dict[str, Any], answers: dict[int, Answer], say: IO[str]) -> None:
    number = asked["id"]
    if "messages" not in asked:
        answers.pop(number, None)
        return
    try:
        answers[number] = answer = Answer(engine, asked)
        tell(say, {"id": number, "read": answer.read, "written": 0, "text": ""})
    except Refused as refused:
        tell(say, {"id": number, "failed": refused.args[0], "detail": refused.args[1]})


def tell(say: IO[str], message: dict[str, Any]) -> None:
    say.write(json.dumps(message) + "\n")
    say.flush()


def listen(inbox: SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        inbox.put(json.loads(line))
    os._exit(0)  # whoever asked is gone; a step that is under way needs no farewell


def main(folder: str) -> None:
    say = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints is no answer
    try:
        engine = Engine(Path(folder))
    except ImportError as error:
        tell(say, {"failed": "not installed", "detail": str(error)})
        return
    except (RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
        tell(say, {"failed": "not loaded", "detail": str(error)})
        return
    tell(say, {"ready": {"context": engine.context, "device": engine.model.device_type}})
    inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=listen, args=(inbox,), daemon=True).start()
    serve(engine, inbox, say)


if __name__ == "__main__":
    main(*sys.argv[1:])
