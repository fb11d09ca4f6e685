"""The worker lane for a bench: a web process, a worker on threads, and the scripted model server, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from websockets.asyncio.client import connect

from tests.bench.stage import HOST, Server, Stage, company, people, port, running, web

QUESTION = "我上周买的电饭煲坏了，能换吗？"  # answered from a document, by a model
GOODS = (
    "电饭煲",
    "电水壶",
    "吸尘器",
    "微波炉",
    "空气炸锅",
    "破壁机",
    "电磁炉",
    "加湿器",
    "电风扇",
    "洗衣机",
    "冰箱",
    "空调",
)
SETTLES = 60.0


def questions() -> list[str]:
    """More than the encoder remembers, answered like QUESTION: each costs what a new one costs."""
    return [f"我{days}天前买的{goods}坏了，能换吗？" for days in range(2, 102) for goods in GOODS]


@dataclass
class Lane:
    tenant: object
    web: Server
    worker: Server
    model: str  # address of the scripted server
    unasked: Iterator[str] = field(default_factory=lambda: iter(questions()))


@contextmanager
def model_server() -> Iterator[str]:
    command = (sys.executable, "-m", "tests.bench.model")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.stdin.close()


@contextmanager
def lane(here: Stage, model: str, threads: int = 200) -> Iterator[Lane]:
    """With a demo company that knows its documents, gives no answer again, and whose ladder stays up: what is measured is the lane."""
    from tenants.models import Policy

    with model_server() as address:
        os.environ.update(KEFU_LLM_BASE_URL=address, KEFU_LLM_MODEL=model, KEFU_LLM_API_KEY="none")
        tenant = company(demo=True)
        never = dict.fromkeys(("ladder_first_token", "ladder_wait", "ladder_load", "ladder_errors"), 0)
        Policy.objects.filter(tenant=tenant).update(answers_kept=0, turn_deadline=300, **never)
        page, worker = web(here, port()), _worker(here, threads)
        with running(page, worker):
            yield Lane(tenant, page, worker, address)


def _worker(here: Stage, threads: int) -> Server:
    log = here.folder / "worker.log"
    about = (
        "-n",
        "llm@bench",
        "-Q",
        "llm,effects",
        "-P",
        "threads",
        "-c",
        str(threads),
        "--loglevel",
        "INFO",
    )
    alone = ("--without-mingle", "--without-gossip")
    command = (sys.executable, "-m", "celery", "-A", "kefu", "worker", *about, *alone)
    return Server("worker", 0, command, log, partial(_is_ready, log))


def _is_ready(log: Path) -> bool:
    return log.exists() and " ready." in log.read_text()


@dataclass
class Asked:
    firsts: list[float] = field(default_factory=list)  # seconds until each answer began
    letters: int = 0  # of all answers so far


async def ask_together(
    lane: Lane, count: int, meanwhile: Callable[[Asked], Awaitable[None]], question: str = QUESTION
) -> Asked:
    """So many new visitors, one question each, at the same moment, of a model that talks on and on.

    `meanwhile` begins once everybody sees words; when it is done they hang up.
    """
    cast = await asyncio.to_thread(people, lane.tenant, count)
    asked, everybody, talking = Asked(), asyncio.Barrier(count), asyncio.Event()

    async def one(token: str, conversation: str) -> None:
        address = f"ws://{HOST}:{lane.web.port}/ws/v1/visitor"
        async with connect(address, host="127.0.0.1", port=lane.web.port, compression=None) as socket:
            await socket.send(json.dumps({"type": "hello", "token": token}))
            await _frame(socket, "welcome")
            await everybody.wait()
            started = time.perf_counter()
            about = {"conversation": conversation, "text": question}
            await socket.send(json.dumps({"type": "message.send", "id": "q", **about}))
            await _frame(socket, "answer.delta")
            asked.firsts.append(time.perf_counter() - started)
            if len(asked.firsts) == count:
                talking.set()
            while True:
                frame = await _frame(socket, "answer.delta")
                asked.letters += len(frame["text"])

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*visitor)) for visitor in cast.visitors]
        await talking.wait()
        await meanwhile(asked)
        for task in tasks:
            task.cancel()
    return asked


async def _frame(socket, kind: str):
    while True:
        async with asyncio.timeout(
            SETTLES
        ):  # not `wait_for`, which may lose a cancellation that comes with a frame
            frame = json.loads(await socket.recv())
        if frame["type"] == kind:
            return frame
        if frame["type"] == "error":
            raise RuntimeError(frame)


async def ask_beside(lane: Lane, count: int, questions: int) -> list[float]:
    """Seconds to the first words of questions that come one after another, while `count` - 1 other answers are streamed.

    None was asked before: each is read as a new one is.
    """
    firsts: list[float] = []

    async def ask(_others: Asked) -> None:
        for question in islice(lane.unasked, questions):
            firsts.extend((await ask_together(lane, 1, hang_up, question)).firsts)

    await (ask_together(lane, count - 1, ask) if count > 1 else ask(Asked()))
    return firsts


async def hang_up(_asked: Asked) -> None:
    """Once there are words."""


async def ask_directly(address: str, model: str, count: int, questions: int) -> list[float]:
    """The same without the product: the same client library, the same number at once."""
    from openai import AsyncOpenAI

    told = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:

        async def first() -> float:
            started = time.perf_counter()
            async with await client.chat.completions.create(**told) as chunks:
                await anext(aiter(chunks))
            return time.perf_counter() - started

        async def listen() -> None:
            async for _chunk in await client.chat.completions.create(**told):
                begun.release()

        begun = asyncio.Semaphore(0)
        others = [asyncio.ensure_future(listen()) for _ in range(count - 1)]
        for _ in others:
            await begun.acquire()
        firsts = [await first() for _ in range(questions)]
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    return firsts
