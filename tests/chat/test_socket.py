"""A process that was frozen does not blame its clients for it."""

from __future__ import annotations

import asyncio
import time

import pytest

from chat import socket
from chat.consumers import AgentSocket


@pytest.mark.parametrize(("frozen", "code"), [(0.3, []), (0.0, [socket.BAD_CREDENTIALS])])
async def test_it_gives_a_hello_that_it_had_no_time_to_read_another_second(
    frozen: float, code: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    console = AgentSocket()
    monkeypatch.setattr(console, "close", closed.append)
    console._expect_hello(0.01, stall=0.1)
    time.sleep(frozen)  # the whole process, as SIGSTOP does it
    await asyncio.sleep(0.1)
    assert closed == code
    console.late.cancel()
