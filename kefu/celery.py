"""Background work: queue `llm` (threads: answers that wait on a model), queue `work` (processes: indexing, training, sweeping)."""

from __future__ import annotations

import os
from threading import Thread
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")

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
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # A hard limit below the visibility timeout: a task still running is never handed out a second time.
    task_time_limit=600,
    broker_transport_options={"visibility_timeout": 900, "socket_timeout": 60, "socket_keepalive": True},
    beat_schedule={
        "sweep": {"task": "chat.tasks.sweep", "schedule": 5.0, "options": {"expires": 5}},
    },
)
app.autodiscover_tasks(["knowledge", "inference", "chat"])


@worker_ready.connect  # type: ignore[untyped-decorator]
def warm_up(sender: Any, **_: Any) -> None:
    """Loads the encoder before the first question needs it; only where questions are answered."""
    if sender.hostname.startswith("llm@"):
        from knowledge import embedding

        Thread(target=embedding.warm_up, name="warm-up").start()
