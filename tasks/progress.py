"""How far the runs are: to whoever watches here, and as a progress artifact in Prefect."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.logging import get_logger

from tasks.outages import OUTAGES

T = TypeVar("T")

watcher: ContextVar[Callable[[int, int], None] | None] = ContextVar("watcher", default=None)
"""Called with (runs done, runs in all) after every run; the command line's live display."""

UPDATE_EVERY_S = 1.0

TELL_FOR_S = 5.0
"""Prefect's client tries a server that has gone for more than a minute; the runs need not wait."""


class Progress:
    """Counts finished runs and tells whoever wants to know.

    Args:
        total: Runs in all.
        done: Of these, the ones that an earlier attempt finished.
    """

    def __init__(self, *, total: int, done: int = 0) -> None:
        self.total = total
        self.done = done
        self._watch = watcher.get()

    def add_one(self, _: object = None) -> None:
        """Count one more run as done."""
        self.done += 1
        if self._watch is not None:
            self._watch(self.done, self.total)

    @property
    def percent(self) -> float:
        """0 to 100."""
        return 100.0 * self.done / max(self.total, 1)

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Keep a progress artifact of the flow run up to date during the block."""
        artifact = await tell(acreate_progress_artifact(self.percent, description="Runs made"))
        if artifact is None:
            yield
            return
        updates = asyncio.create_task(self._keep_up(artifact))
        try:
            yield
            self.total = self.done  # a verdict may come early: then nothing is left to make
        finally:
            updates.cancel()
            await tell(aupdate_progress_artifact(artifact, self.percent))

    async def _keep_up(self, artifact: UUID) -> None:
        shown = self.percent
        while True:
            await asyncio.sleep(UPDATE_EVERY_S)
            if self.percent != shown:
                shown = self.percent
                await tell(aupdate_progress_artifact(artifact, shown))


async def tell(message: Awaitable[T]) -> T | None:
    """Await something that only informs people: if it fails, a warning and None."""
    try:
        async with asyncio.timeout(TELL_FOR_S):
            return await message
    except (*OUTAGES, OSError) as error:  # a TimeoutError is an OSError
        get_logger("assay").warning("Prefect was not told: %s", type(error).__name__)
        return None
