"""Who is let in when thousands come at once, as after a restart.

Were all of them begun, none would be answered before its client gives up and tries again, which doubles the work. So a socket is begun when
those before it are answered: one that waits costs no more than its file, and nothing where its client hangs up. For coroutines of one loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable

MOST = 200  # whose handshake or first message is being worked on
LONGEST = 1.0  # seconds that one counts: beyond, it waits for something that others need not wait for, its company's database for instance

_held: deque[Callable[[], None]] = deque()
_arriving: dict[Hashable, float] = {}  # since when, oldest first
_looks_again: list[asyncio.TimerHandle] = []


def hold(begin: Callable[[], None]) -> None:
    """`begin` is called when there is room, which may be at once; it says `arrives` where there is anything to be worked on."""
    _held.append(begin)
    _let_in()


def arrives(socket: Hashable) -> None:
    _arriving[socket] = asyncio.get_running_loop().time()


def is_answered(socket: Hashable) -> None:
    if _arriving.pop(socket, None):
        _let_in()


def _let_in() -> None:
    while _held and (len(_arriving) < MOST or _oldest_is_stuck()):
        _held.popleft()()
    if _held and not _looks_again:
        _looks_again.append(asyncio.get_running_loop().call_later(LONGEST, _look_again))


def _oldest_is_stuck() -> bool:
    socket, since = next(iter(_arriving.items()))
    is_stuck = asyncio.get_running_loop().time() - since > LONGEST
    if is_stuck:
        del _arriving[socket]
    return is_stuck


def _look_again() -> None:
    _looks_again.clear()
    _let_in()
