"""The rows that make up the product on one machine."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kefu import canary
from kefu.dev import environment, model_files, postgres, redis
from kefu.dev.processes import server_account
from kefu.dev.supervisor import Program

SERVICES, MODEL, WORKERS, WEB = range(4)
PANIC = re.compile(r"\bPANIC\b")
PROGRESS = re.compile(r"^» ")
CELERY = (sys.executable, "-m", "celery", "-A", "kefu")
# Mingling with other workers at the start costs seconds and tells one machine nothing.
ALONE = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")


@dataclass(frozen=True)
class Installation:
    """What one start works with. `environment` is what the programs see on top of ours."""

    data: Path
    port: int
    environment: Mapping[str, str]
    database: str
    owners_database: str  # the same, for the preparation alone; empty where one login does all
    own_database: bool
    own_redis: bool
    redis_address: str
    model: model_files.Model | None
    model_port: int
    model_name: str
    demo_password: str


def installation() -> Installation:
    """Reads the environment; the operator's variables win over the embedded services and the local model."""
    data = environment.data_folder()
    kept = environment.prepare(data)
    owners = kept.pop("KEFU_OWNER_DATABASE_URL")
    if "DATABASE_URL" in os.environ:  # then that of the embedded database is none of its
        owners = os.environ.get("KEFU_OWNER_DATABASE_URL", "")
    ours = {name: value for name, value in kept.items() if name not in os.environ}
    told = {**kept, **os.environ}
    has_model = told.get("KEFU_LLM_BASE_URL") or told.get("KEFU_LLM_VENDOR") == "onnx"
    model = None if has_model else model_files.fetched(data / "models")
    model_port = redis.free_port()
    local_model = model_environment(model, model_port) if model else {}
    fixed = {"KEFU_DATA": str(data), "KEFU_OWNER_DATABASE_URL": "", "PYTHONUNBUFFERED": "1"}
    return Installation(
        data=data,
        port=int(told.get("KEFU_PORT") or 8000),
        environment={**ours, **local_model, **fixed},
        database=told["DATABASE_URL"],
        owners_database=owners,
        own_database="DATABASE_URL" in ours,
        own_redis="REDIS_URL" in ours,
        redis_address=told["REDIS_URL"],
        model=model,
        model_port=model_port,
        model_name=model.name if model else told.get("KEFU_LLM_MODEL", ""),
        demo_password=told["KEFU_DEMO_PASSWORD"],
    )


def model_environment(model: model_files.Model, port: int) -> dict[str, str]:
    return {
        "KEFU_LLM_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "KEFU_LLM_API_KEY": secrets.token_urlsafe(24),
        "KEFU_LLM_MODEL": model.name,
        # A processor reads some 60 tokens a second: a longer prompt would keep the visitor waiting.
        "KEFU_LLM_PASSAGE_CHARACTERS": "700",
        "KEFU_LLM_MAX_TOKENS": "200",
    }


def services(here: Installation) -> list[Program]:
    rows = []
    if here.own_database:
        folder = here.data / "postgres"
        rows.append(
            Program(
                name="postgres",
                stage=SERVICES,
                command=postgres.command(folder),
                prepare=partial(postgres.prepare, folder),
                is_ready=partial(postgres.is_ready, folder),
                stop_signal=postgres.FAST,
                orphan_signal=postgres.FAST,
                grace=30.0,
                account=server_account(),
                loud=PANIC,
            )
        )
    if here.own_redis:
        folder, address = here.data / "redis", here.environment["REDIS_URL"]
        rows.append(
            Program(
                name="redis",
                stage=SERVICES,
                command=redis.command(folder),
                prepare=partial(redis.prepare, folder, address),
                is_ready=partial(redis.is_ready, address),
                pid_file=folder / "redis.pid",
                loud=PANIC,
            )
        )
    return rows


def preparation(here: Installation) -> Program:
    return Program(
        name="prepare",
        stage=WORKERS,
        command=(sys.executable, "-m", "kefu.dev.preparation"),
        environment={**here.environment, "KEFU_OWNER_DATABASE_URL": here.owners_database},
        loud=PROGRESS,
    )


def product(here: Installation) -> list[Program]:
    rows = [web(here), worker(here, "llm,effects", "threads", 64), worker(here, "work", "prefork", 1)]
    return [model_server(here, here.model), *rows] if here.model else rows


def web(here: Installation) -> Program:
    return Program(
        name="web",
        stage=WEB,
        command=(sys.executable, "-m", "kefu.web", "--port", str(here.port)),
        environment=here.environment,
        is_ready=partial(answers, here.port, "/readyz"),
    )


def worker(here: Installation, queues: str, pool: str, concurrency: int) -> Program:
    """Named after the first of its queues."""
    name = queues.split(",")[0]
    return Program(
        name=f"worker-{name}",
        stage=WORKERS,
        command=(
            *CELERY,
            "worker",
            "-Q",
            queues,
            "-P",
            pool,
            "-c",
            str(concurrency),
            "-n",
            f"{name}@%h",
            *ALONE,
        ),
        environment=here.environment,
        ready_line=" ready.",
        works=partial(canary.consumes, name, here.redis_address, canary.FRESH),
        orphan_signal=signal.SIGKILL,  # its Redis goes too: a warm stop would wait for it; tasks are acknowledged late
        grace=20.0,
    )


def beat(here: Installation) -> Program:
    schedule = here.data / "beat" / "schedule"
    return Program(
        name="beat",
        stage=WORKERS,
        prepare=partial(schedule.parent.mkdir, exist_ok=True),
        command=(*CELERY, "beat", "--schedule", str(schedule), "--pidfile=", "--loglevel", "INFO"),
        environment=here.environment,
        ready_line="beat: Starting",
        grace=5.0,
    )


def model_server(here: Installation, model: model_files.Model) -> Program:
    # Run by path and in isolation (-P): importing the `kefu` package would load Celery into a process that needs none of it.
    script = Path(__file__).with_name("model_server.py")
    return Program(
        name="model",
        stage=MODEL,
        command=(
            sys.executable,
            "-P",
            str(script),
            str(here.data / "models" / model.file),
            str(here.model_port),
            model.name,
        ),
        environment=here.environment,
        is_ready=partial(answers, here.model_port, "/health"),
        loud=PANIC,
        grace=5.0,
    )


def answers(port: int, path: str) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.request("GET", path, headers={"Host": f"localhost:{port}"})
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()
