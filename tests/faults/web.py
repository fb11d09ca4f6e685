"""The product's web process, which a signal makes kill itself between the next commit of a message and what follows from it.

SIGUSR1: before anybody is told of it, and before a worker is asked (F09). SIGUSR2: before its sender is, all others having been (F08).
The product knows nothing of this: its functions are wrapped at the seam.
"""

from __future__ import annotations

import os
import signal
from typing import Any

BEFORE_BELL, BEFORE_ACK = signal.SIGUSR1, signal.SIGUSR2
armed: set[int] = set()


def main() -> None:
    for number in (BEFORE_BELL, BEFORE_ACK):
        signal.signal(number, lambda number, _frame: armed.add(number))
    import kefu.asgi as kefu_asgi  # sets Django up

    assert kefu_asgi
    from chat import delivery, writer
    from kefu import web

    tell, write = writer.tell, writer.write

    def tells(tenant: Any, draft: Any, written: Any) -> None:
        if written.outcome == "new":
            die_if_armed(BEFORE_BELL)
        tell(tenant, draft, written)

    async def writes(tenant: Any, draft: Any) -> Any:
        written = await write(tenant, draft)
        if written.outcome == "new" and BEFORE_ACK in armed:
            await delivery.settle()
            die_if_armed(BEFORE_ACK)
        return written

    writer.tell, writer.write = tells, writes
    web.main()


def die_if_armed(number: int) -> None:
    if number in armed:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
