"""Kefu on one machine: embedded PostgreSQL and Redis, and the supervisor behind `make run`. Production does not use it."""

from __future__ import annotations
