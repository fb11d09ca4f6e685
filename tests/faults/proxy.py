"""A line between the programs and Redis that can be slow, cut, or half open: what is written into it goes nowhere, and nobody is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    def __init__(self, port: int, to: int) -> None:
        self.port, self.to = port, to
        self.delay = 0.0  # seconds, each way
        self.lines: set[Crossing] = set()

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._come, "127.0.0.1", self.port)

    async def close(self) -> None:
        self.server.close()
        self.cut()

    def cut(self) -> None:
        for line in tuple(self.lines):
            line.cut()

    def open_half(self) -> None:
        """All lines that there are now; new ones work."""
        for line in self.lines:
            line.loses = True

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        line = Crossing(self, [writer, far_writer])
        self.lines.add(line)
        try:
            await asyncio.gather(line.carry(reader, far_writer), line.carry(far_reader, writer))
        finally:
            line.cut()
            self.lines.discard(line)


class Crossing:
    """One connection, in two halves."""

    def __init__(self, proxy: Proxy, ends: list[asyncio.StreamWriter]) -> None:
        self.proxy, self.ends = proxy, ends
        self.loses = False

    async def carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Returns when either end is gone. What comes in while something is on its way is as late, not later."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arrive(on_its_way, target))
        try:
            with suppress(OSError):
                while data := await source.read(65536):
                    on_its_way.put_nowait((asyncio.get_running_loop().time() + self.proxy.delay, data))
            if not self.loses:  # who hangs up on a half-open line is not heard at the other end either
                self.cut()
        finally:
            arriving.cancel()

    async def _arrive(
        self, on_its_way: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await on_its_way.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not self.loses:
                target.write(data)

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()
