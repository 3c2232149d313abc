"""A process that speaks lines of JSON: requests with an id in, answers with the same id out.

Several requests may be under way at once. What is not such an answer ends the process: who
prints rubbish once may print it into the middle of an answer.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from assay.agents.answer import MAX_ANSWER_BYTES, Rubbish, read_answer
from assay.agents.child import LAST_WORDS_S, Child


class Gone(NamedTuple):
    """What a request gets whose process has ended before the answer."""

    words: str
    """What ended it."""
    together: int
    """Requests that were under way in it, this one included."""


class Talk:
    """A conversation with one process.

    Args:
        child: Just started.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self.gone: str | None = None
        """How the process ended, once it has."""
        self._asked: dict[str, asyncio.Future[dict[str, Any] | Gone]] = {}
        self._reading = asyncio.create_task(self._read())
        self._watching = asyncio.create_task(self._watch())

    @property
    def under_way(self) -> int:
        """Requests without an answer yet."""
        return len(self._asked)

    async def ask(self, id_: str, request: Mapping[str, Any]) -> dict[str, Any] | Gone:
        """Send a request and wait for what comes of it."""
        if self.gone is not None:
            return Gone(self.gone, together=1)
        answer: asyncio.Future[dict[str, Any] | Gone] = asyncio.get_running_loop().create_future()
        self._asked[id_] = answer
        try:
            await self.say({"id": id_, **request})
            return await answer
        finally:
            self._asked.pop(id_, None)

    async def say(self, message: Mapping[str, Any]) -> None:
        """Send one line; it may be lost on a process that has ended."""
        try:
            self.child.stdin.write(json.dumps(message).encode() + b"\n")
            await self.child.stdin.drain()
        except (ConnectionError, RuntimeError):
            return  # `_read` finds out how it ended

    async def end(self, words: str) -> None:
        """Kill the process; whoever waits for an answer is told `words`."""
        self._tell(words)
        await self.child.kill()
        await self._watching

    async def _read(self) -> None:
        try:
            while line := await self.child.stdout.readline():
                self._take(read_answer(line))
            await asyncio.wait_for(self.child.exited(), LAST_WORDS_S)
        except Rubbish as why:
            await self._end_now(f"its standard output is {why}")
        except ValueError:  # asyncio's word for a line beyond the limit
            await self._end_now(f"its answer is longer than {MAX_ANSWER_BYTES:,} bytes")
        except TimeoutError:
            await self._end_now("it has closed its standard output")

    async def _watch(self) -> None:
        await self.child.exited()
        self.child.kill_group()  # what it left behind may hold its pipes
        await asyncio.wait({self._reading}, timeout=LAST_WORDS_S)
        await self.child.kill()
        self._tell(f"the process ended with {self.child.how_it_ended}")

    async def _end_now(self, words: str) -> None:
        self._tell(words)
        await self.child.kill()

    def _take(self, answer: dict[str, Any]) -> None:
        asked = self._asked.get(str(answer.get("id")))
        if asked is None:
            raise Rubbish(f"an answer to no request: {str(answer.get('id'))[:40]!r}")
        if not asked.done():
            asked.set_result(answer)

    def _tell(self, words: str) -> None:
        if self.gone is not None:
            return
        self.gone = words
        together = len(self._asked)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(Gone(words, together))
