"""Background work, by queue.

`llm`      answers that wait on a model                     threads
`effects`  webhooks, e-mails, sweeping: short or waiting    threads, in the worker of `llm`: one process less; `-Q` parts them
`work`     indexing, training: the processor's              processes
"""

from __future__ import annotations

import os
from functools import cache
from threading import Thread
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

from kefu import broker

GRACE = 5.0  # seconds in which answers may end by themselves when a worker is told to stop; then others take them up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")

broker.use()
app = Celery("kefu")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_default_queue="work",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_direct=True,  # each worker has a queue of its own, for its canary
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # A hard limit below the visibility timeout: a task still running is never handed out a second time.
    task_time_limit=600,
    # A line that is silent, though nobody has closed it, is given up after some ten seconds.
    broker_transport_options={
        "visibility_timeout": 900,
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "health_check_interval": 5,
        "socket_keepalive": True,
    },
    # On threads: behind a document that is being indexed they would wait for minutes.
    beat_schedule={
        "sweep": {"task": "chat.tasks.sweep", "schedule": 5.0, "options": {"queue": "effects", "expires": 5}},
        "measure": {
            "task": "chat.tasks.measure",
            "schedule": 300.0,
            "options": {"queue": "effects", "expires": 300},
        },
        "tidy": {
            "task": "chat.effects.tidy",
            "schedule": 3600.0,
            "options": {"queue": "effects", "expires": 3600},
        },
        "canary": {
            "task": "kefu.canary",
            "args": ("sweep@beat",),
            "schedule": 15.0,
            "options": {"queue": "effects", "expires": 15},
        },
    },
)
app.autodiscover_tasks(["knowledge", "inference", "chat"])
app.autodiscover_tasks(["kefu"], related_name="canary")


@worker_ready.connect  # type: ignore[untyped-decorator]
def begin(sender: Any, **_: Any) -> None:
    _begin(sender.hostname, sender.initial_prefetch_count)


@cache
def _begin(node: str, room: int) -> None:
    """Once: a worker is ready again after every reconnect."""
    from kefu import canary

    canary.start(app, node, room)
    if node.startswith("llm@"):
        _begin_to_answer()


def _begin_to_answer() -> None:
    """Only where questions are answered: what the first one needs is loaded before it comes, and figures are told."""
    from django.conf import settings
    from prometheus_client import start_http_server

    from inference import clients
    from knowledge import embedding

    for warm_up in (embedding.warm_up, clients.warm_up):
        Thread(target=warm_up, name="warm-up").start()
    if settings.METRICS_PORT:
        start_http_server(settings.METRICS_PORT, settings.METRICS_ADDRESS)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def end(**_: Any) -> None:
    from inference import loop

    loop.leave(GRACE)
