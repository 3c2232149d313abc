"""A bounded number of runs at once, in an order of their own and not of arrival."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """At most `count` holders at once; of those waiting, the lowest place goes first.

    Runs take their places as (repeat, number of the cell), so that both prompts move
    through the golden tasks side by side and a drift of the outside world hits both alike.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[tuple[int, int], asyncio.Future[None]]] = []

    @asynccontextmanager
    async def at(self, place: tuple[int, int]) -> AsyncIterator[None]:
        """Hold a slot for the block. No two waiting at a time may have the same place."""
        await self._take(place)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, place: tuple[int, int]) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (place, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
