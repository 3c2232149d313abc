"""Asking a service over the network with an end to it, whatever the service does."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

GRACE_S = 0.5
"""For a request to be cancelled."""


def within(seconds: float, work: Callable[[], Awaitable[None]]) -> bool:
    """Do it in a loop and thread of its own; whether it was done in time.

    Time-outs of HTTP clients are between two bytes, and none is over the look-up of a name: a
    server that sends a byte a second, or a resolver that hangs, would hold a rollback's watch.

    Raises:
        Exception: What the work raises.
    """
    ended: list[Exception | None] = []

    async def bounded() -> None:
        await asyncio.wait_for(work(), seconds)

    def run() -> None:
        try:
            asyncio.run(bounded())
        except Exception as failed:  # noqa: BLE001 - raised where it is waited for
            ended.append(failed)
        else:
            ended.append(None)

    thread = threading.Thread(target=run, name="governance", daemon=True)
    thread.start()
    thread.join(seconds + GRACE_S)
    if not ended or isinstance(ended[0], TimeoutError):
        return False
    if ended[0] is not None:
        raise ended[0]
    return True
