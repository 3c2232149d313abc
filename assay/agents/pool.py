"""Processes that live on and serve many runs; a run that harms its process harms only itself.

A process that dies or does not answer takes all its runs with it, and nobody can say which of
them it was: unless a run was alone in it, it is made again, alone in a process of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from assay.agents.answer import MAX_ANSWER_BYTES, Failed
from assay.agents.child import not_started, spawn
from assay.agents.talk import Gone, Talk
from assay.budgets import Stopwatch
from assay.records import StopReason

GRACE_S = 1.0
"""For a run that is told to stop, so that the others in its process may go on."""

Start = Callable[[], Awaitable[Talk]]


class NotStarted(Exception):
    """A process could not be started; the message says why."""


async def start_talk(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None
) -> Talk:
    """A process that speaks lines of JSON; without `environ`, in our own environment.

    Raises:
        NotStarted: The system cannot start it.
    """
    try:
        child = await spawn(
            command, folder=folder, max_line_bytes=MAX_ANSWER_BYTES, environ=environ
        )
    except OSError as refused:
        raise NotStarted(not_started(refused)) from None
    return Talk(child)


class Made(NamedTuple):
    """What came of one run."""

    answer: Mapping[str, Any] | Failed
    latency_s: float
    attempts: int


class _Timed(NamedTuple):
    """One run to make, and its clock."""

    id_: str
    request: Mapping[str, Any]
    max_seconds: float
    watch: Stopwatch

    async def is_late(self, asked: asyncio.Task[Any]) -> bool:
        """Wait until the run is made, or its time is over."""
        try:
            async with self.watch.limit(self.max_seconds):
                await asyncio.wait({asked})
        except TimeoutError:
            return not asked.done()
        return False


@dataclass(slots=True)
class _Seat:
    """A place for one process, started when it is needed."""

    load: int = 0
    talk: Talk | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ready(self, start: Start) -> Talk:
        async with self.lock:
            if self.talk is None or self.talk.gone is not None:
                self.talk = await start()
            return self.talk


class Pool:
    """Processes of one agent.

    Args:
        start: Starts a process; raises `NotStarted`.
        size: Processes at most.
        shared: Whether one takes several runs at once, and stops one when it is told
            `{"cancel": id}`.
    """

    def __init__(self, start: Start, *, size: int, shared: bool) -> None:
        self._start = start
        self._shared = shared
        self._seats = [_Seat() for _ in range(size)]
        self._alone = asyncio.Semaphore(size)
        self._free = None if shared else asyncio.Semaphore(size)

    async def make(
        self, id_: str, request: Mapping[str, Any], *, max_seconds: float, watch: Stopwatch
    ) -> Made:
        """Make one run. Its time is counted from when it has a process."""
        timed = _Timed(id_, request, max_seconds, watch)
        try:
            async with self._any_process() as talk:
                made = await self._ask(talk, timed, attempts=1)
            if made is None:
                async with self._own_process() as talk:
                    made = await self._ask(talk, timed, attempts=2)
        except NotStarted as why:
            return Made(Failed(StopReason.AGENT_ERROR, str(why)), 0.0, 1)
        if made is None:
            raise RuntimeError("a run that is alone in its process has nobody to blame")
        return made

    @property
    def max_runs(self) -> int | None:
        """Runs at the same time at most; None where a process takes any number."""
        return None if self._shared else len(self._seats)

    def adopt(self, talk: Talk) -> None:
        """Take in a process that was started already."""
        self._seats[0].talk = talk

    async def close(self) -> None:
        """End every process."""
        talks = [seat.talk for seat in self._seats if seat.talk is not None]
        await asyncio.gather(*(talk.end("the evaluation is over") for talk in talks))

    async def _ask(self, talk: Talk, timed: "_Timed", *, attempts: int) -> Made | None:
        """What came of the run; None when another may be to blame for its process's end."""
        timed.watch.start()
        asked = asyncio.create_task(talk.ask(timed.id_, timed.request))
        try:
            late = await timed.is_late(asked)
            latency_s = timed.watch.elapsed_s()
            if late:
                await self._stop(talk, timed.id_, asked)
            came = await asked
        finally:
            if not asked.done():
                asked.cancel()
                await talk.end("the run was cancelled")
        if isinstance(came, Gone) and came.together > 1 and attempts == 1:
            return None
        if late:
            return Made(Failed(StopReason.MAX_SECONDS), latency_s, attempts)
        if isinstance(came, Gone):
            return Made(Failed(StopReason.AGENT_ERROR, came.words), latency_s, attempts)
        return Made(came, latency_s, attempts)

    async def _stop(self, talk: Talk, id_: str, asked: asyncio.Task[Any]) -> None:
        """End a run: in peace if others share its process and it obeys, else with the process."""
        if self._shared and talk.under_way > 1:
            saying = asyncio.create_task(talk.say({"cancel": id_}))
            await asyncio.wait({asked}, timeout=GRACE_S)
            saying.cancel()
        if not asked.done():
            await talk.end("it did not stop at its time limit")

    @asynccontextmanager
    async def _any_process(self) -> AsyncIterator[Talk]:
        """The least busy process."""
        if self._free is not None:
            await self._free.acquire()
        seat = min(self._seats, key=lambda each: each.load)
        seat.load += 1
        try:
            yield await seat.ready(self._start)
        finally:
            seat.load -= 1
            if self._free is not None:
                self._free.release()

    @asynccontextmanager
    async def _own_process(self) -> AsyncIterator[Talk]:
        async with self._alone:
            talk = await self._start()
            try:
                yield talk
            finally:
                await talk.end("its only run is over")
