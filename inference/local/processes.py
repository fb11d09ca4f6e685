"""The local models that this process has in use: a generator beside it for each, loaded once, by the first question that wants it.

All on one loop. What a question waits for here, loading and its turn, counts in its time to the first token, which the ladder looks at; so
does `load_of`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings

from inference.local import folders
from inference.local.failure import LocalFailed

logger = logging.getLogger(__name__)

IDLE = 900.0  # seconds that nobody asks a model, after which its memory is given back
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
KEPT_FAMILIES = ("CUDA_", "NVIDIA_", "ORT_", "OMP_")

Message = dict[str, Any]  # see inference.local.generator


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "inference.local.generator", str(folder)]


def surroundings() -> dict[str, Any]:
    """Of its process. Our own environment holds keys, and it needs none; Ctrl-C in a terminal is not for it."""
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_FAMILIES)
    }
    return {"env": kept, "cwd": settings.BASE_DIR, "start_new_session": True}


class Answer:
    """What one question gets, message by message. Whoever has it must leave it."""

    def __init__(self, model: Model, request: Mapping[str, Any]) -> None:
        self.model, self.number = model, next(model.numbers)
        self.messages: asyncio.Queue[Message] = asyncio.Queue()  # as long as the answer, at most
        self.is_whole = False
        model.answers[self.number] = self
        model.write({"id": self.number, **request})

    async def next(self) -> Message:
        """Raises LocalFailed."""
        message = await self.messages.get()
        self.is_whole = "end" in message or "failed" in message
        if "failed" in message:
            raise LocalFailed(message["failed"], message.get("detail", ""))
        return message

    def leave(self) -> None:
        """Calls it off, if it is not whole."""
        if self.model.answers.pop(self.number, None):
            if not self.is_whole:
                self.model.write({"id": self.number})
            self.model.slots.release()
            self.model.rest()


class Model:
    def __init__(self, name: str, folder: Path, mark: folders.Mark) -> None:
        self.name, self.folder, self.mark = name, folder, mark
        self.slots = asyncio.Semaphore(settings.LOCAL_ANSWERS)
        self.numbers = itertools.count(1)
        self.answers: dict[int, Answer] = {}  # being made
        self.waiting = 0
        self.process: asyncio.subprocess.Process | None = None
        self.is_old = self.is_over = False
        self._idle: asyncio.TimerHandle | None = None
        self.started = asyncio.ensure_future(self._start())
        self.started.add_done_callback(_noted)

    async def ask(self, request: Mapping[str, Any]) -> Answer:
        """Once it has been accepted. Raises LocalFailed."""
        self.waiting += 1
        if self._idle:
            self._idle.cancel()
        try:
            await asyncio.shield(self.started)  # who leaves meanwhile leaves it loading for the next
            await self.slots.acquire()
        finally:
            self.waiting -= 1
            self.rest()
        answer = Answer(self, request)
        try:
            await answer.next()
        except BaseException:
            answer.leave()
            raise
        return answer

    def write(self, message: Message) -> None:
        assert self.process and self.process.stdin
        if not self.is_over:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _start(self) -> None:
        self.process = process = await asyncio.create_subprocess_exec(
            *command(self.folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            **surroundings(),
        )
        assert process.stdout
        told = json.loads(await process.stdout.readline() or '{"failed": "ended"}')
        if "failed" in told:
            self.end()
            raise LocalFailed(told["failed"], told.get("detail", ""))
        logger.info("%s loaded on %s", self.name, told["ready"]["device"])
        self._listening = asyncio.ensure_future(self._listen(process.stdout))

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            message = json.loads(line)
            if answer := self.answers.get(message["id"]):
                answer.messages.put_nowait(message)
        self.end()

    def rest(self) -> None:
        """Nobody needs it just now: if that lasts, or if it is an old one, it ends."""
        if not (self.answers or self.waiting or self.is_over):
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(0 if self.is_old else IDLE, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if not (self.answers or self.waiting):
            self.end()

    def retire(self) -> None:
        """Whoever it is answering hears it out."""
        self.is_old = True
        self.rest()

    def end(self) -> None:
        """Its process sees its input end, and goes."""
        self.is_over = True
        if self.process and self.process.stdin:
            self.process.stdin.close()
        for answer in self.answers.values():
            answer.messages.put_nowait({"failed": "ended"})


def _noted(started: asyncio.Future[None]) -> None:
    if not started.cancelled() and (error := started.exception()):
        logger.warning("A local model does not start: %s", error)


_in_use: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Model]] = WeakKeyDictionary()


async def ask(name: str, request: Mapping[str, Any]) -> Answer:
    """Of the model in the folder `name`. Raises LocalFailed."""
    folder, mark = await asyncio.to_thread(_found, name)
    known = _in_use.setdefault(asyncio.get_running_loop(), {})
    model = known.get(name)
    if model is None or model.is_over or model.mark != mark:
        if model:
            model.retire()
        model = known[name] = Model(name, folder, mark)
    return await model.ask(request)


def _found(name: str) -> tuple[Path, folders.Mark]:
    folder = folders.folder_of(name)
    try:
        return folder, folders.mark_of(folder)
    except OSError as error:
        raise LocalFailed("not there") from error


def load_of(name: str) -> float | None:
    """The share of its questions that wait, in this process; None: it is not loaded. On the loop."""
    model = _in_use.get(asyncio.get_running_loop(), {}).get(name)
    if model is None or model.is_over:
        return None
    return model.waiting / (model.waiting + len(model.answers)) if model.waiting else 0.0
