from __future__ import annotations

from kefu.celery import app as celery_app

__all__ = ["celery_app"]
