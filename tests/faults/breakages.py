"""What can go wrong: a table of faults, each with its healing."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
from psycopg import sql
from redis.asyncio import Redis

from tests.faults.bots import Bot
from tests.faults.stage import WEBS, Stage
from tests.faults.web import BEFORE_ACK, BEFORE_BELL


@dataclass
class Scene:
    """What a fault gets to work with. `random` is the fault's own; `held` is what its healing must give back."""

    stage: Stage
    bots: list[Bot]
    random: Random
    held: list[Any] = field(default_factory=list)


Act = Callable[[Scene], Awaitable[None]]


async def nothing(scene: Scene) -> None:
    """The product mends itself."""


FREEZE, THAW = signal.SIGSTOP, signal.SIGCONT

# --- Redis ------------------------------------------------------------------------------------------------------------


async def kill_redis(scene: Scene) -> None:
    await scene.stage.end("redis")


async def start_empty_redis(scene: Scene) -> None:
    (scene.stage.folder / "redis" / "dump.rdb").unlink(missing_ok=True)
    await scene.stage.start("redis")


async def flush_redis(scene: Scene) -> None:
    await _redis(scene, "FLUSHALL")


async def cut_subscriptions(scene: Scene) -> None:
    await _redis(scene, "CLIENT KILL TYPE pubsub")


async def cut_redis_clients(scene: Scene) -> None:
    await _redis(scene, "CLIENT KILL TYPE normal")


SLOW = 0.2  # seconds, each way


async def slow_redis_down(scene: Scene) -> None:
    scene.stage.redis_line.delay = SLOW


async def let_redis_hurry(scene: Scene) -> None:
    scene.stage.redis_line.delay = 0.0


async def cut_redis_line(scene: Scene) -> None:
    scene.stage.redis_line.cut()


async def open_redis_line_half(scene: Scene) -> None:
    scene.stage.redis_line.open_half()


async def _redis(scene: Scene, command: str) -> None:
    async with Redis.from_url(scene.stage.redis_url) as line:
        await line.execute_command(*command.split())  # type: ignore[no-untyped-call]


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


async def stop_postgres(scene: Scene) -> None:
    await scene.stage.end("postgres", signal.SIGQUIT)  # "immediate"


async def cut_postgres_clients(scene: Scene) -> None:
    async with await _postgres(scene) as line:
        await line.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )


async def lock_conversation(scene: Scene) -> None:
    bot = scene.random.choice(scene.bots)
    conversation = scene.random.choice(sorted(bot.views))
    line = await _postgres(scene, autocommit=False)
    scene.held.append(line)
    table = sql.Identifier(bot.tenant, "chat_conversation")
    await line.execute(sql.SQL("SELECT FROM {} WHERE id = %s FOR UPDATE").format(table), [conversation])


async def take_all_connections(scene: Scene) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            scene.held.append(await _postgres(scene))


async def close_held(scene: Scene) -> None:
    for line in scene.held:
        await line.close()


async def _postgres(scene: Scene, autocommit: bool = True) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(scene.stage.database_url, autocommit=autocommit)


# --- Processes --------------------------------------------------------------------------------------------------------


async def kill_web(scene: Scene) -> None:
    scene.held.append(scene.random.choice(WEBS))
    await scene.stage.end(scene.held[0])


async def kill_web_before_bell(scene: Scene) -> None:
    await _kill_web_at(scene, BEFORE_BELL)


async def kill_web_before_ack(scene: Scene) -> None:
    await _kill_web_at(scene, BEFORE_ACK)


async def _kill_web_at(scene: Scene, moment: int) -> None:
    """It kills itself as soon as it has committed a message."""
    scene.held.append(scene.random.choice(WEBS))
    await scene.stage.end(scene.held[0], moment)


async def freeze_web(scene: Scene) -> None:
    scene.held.append(scene.random.choice(WEBS))
    scene.stage.send(scene.held[0], FREEZE)


async def thaw_held(scene: Scene) -> None:
    for name in scene.held:
        scene.stage.send(name, THAW)


async def roll_webs(scene: Scene) -> None:
    """As a deployment does: one after the other is told to stop, and comes back."""
    for name in WEBS:
        await scene.stage.end(name, signal.SIGTERM)
        await scene.stage.start(name)


async def start_held(scene: Scene) -> None:
    for name in scene.held:
        await scene.stage.start(name)


# --- Clients ----------------------------------------------------------------------------------------------------------


async def cut_sockets(scene: Scene) -> None:
    for bot in scene.bots:
        bot.cut()


async def stop_reading(scene: Scene) -> None:
    """While more is asked for than the kernel keeps."""
    for bot in scene.random.sample(scene.bots, max(1, len(scene.bots) // 3)):
        bot.reads.clear()
        for conversation in bot.views:
            bot.flood_with_the_past(conversation)
        scene.held.append(bot)


async def read_on(scene: Scene) -> None:
    for bot in scene.held:
        bot.reads.set()


# --- The table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    inject: Act
    heal: Act = nothing
    lasts: tuple[float, float] = (0.0, 0.0)  # seconds: at least, at most
    breaks: str = ""  # of two faults that break the same the second waits


def _program(name: str, number: int) -> Act:
    async def act(scene: Scene) -> None:
        scene.stage.send(name, number)

    return act


def _ends(name: str) -> Act:
    async def act(scene: Scene) -> None:
        scene.held.append(name)
        await scene.stage.end(name)

    return act


FAULTS: dict[str, Fault] = {
    "redis-killed": Fault(kill_redis, start_empty_redis, (0.0, 4.0), "redis"),
    "redis-flushed": Fault(flush_redis, breaks="redis"),
    "redis-frozen": Fault(_program("redis", FREEZE), _program("redis", THAW), (1.0, 6.0), "redis"),
    "subscriptions-cut": Fault(cut_subscriptions, breaks="redis"),
    "redis-clients-cut": Fault(cut_redis_clients, breaks="redis"),
    "redis-slow": Fault(slow_redis_down, let_redis_hurry, (2.0, 10.0), "redis"),
    "redis-line-cut": Fault(cut_redis_line, breaks="redis"),
    "redis-half-open": Fault(open_redis_line_half, breaks="redis"),
    "postgres-restarted": Fault(
        stop_postgres, lambda scene: scene.stage.start("postgres"), (0.0, 3.0), "postgres"
    ),
    "postgres-clients-cut": Fault(cut_postgres_clients, breaks="postgres"),
    "conversation-locked": Fault(lock_conversation, close_held, (1.0, 8.0), "postgres"),
    "connections-taken": Fault(take_all_connections, close_held, (1.0, 5.0), "postgres"),
    "web-killed": Fault(kill_web, start_held, (0.0, 3.0), "web"),
    "web-killed-before-bell": Fault(kill_web_before_bell, start_held, (0.0, 3.0), "web"),
    "web-killed-before-ack": Fault(kill_web_before_ack, start_held, (0.0, 3.0), "web"),
    "web-frozen": Fault(freeze_web, thaw_held, (2.0, 12.0), "web"),
    "webs-rolled": Fault(roll_webs, breaks="web"),
    "worker-killed": Fault(_ends("worker-llm"), start_held, (0.0, 3.0), "worker"),
    "worker-frozen": Fault(
        _program("worker-llm", FREEZE), _program("worker-llm", THAW), (2.0, 10.0), "worker"
    ),
    "sweeper-killed": Fault(_ends("worker-work"), start_held, (0.0, 3.0), "sweeper"),
    "sockets-cut": Fault(cut_sockets),
    "readers-stopped": Fault(stop_reading, read_on, (1.0, 5.0), "readers"),
}
