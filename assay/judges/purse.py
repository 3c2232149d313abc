"""The judge's own budget: no question is asked that it might not be able to pay for.

A question holds back the most that it may cost until it is known what it did cost. One that
does not fit waits for others to be settled; once none is left to wait for, the purse is empty.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ROUNDING = 1e-9
"""Sums of dollars are not exact."""

Bill = Callable[[float | None], None]
"""Told what a question did cost; None, or not told at all, is the most that it may cost."""


class PurseEmpty(Exception):
    """There is no money left for the question."""


@dataclass(slots=True)
class Purse:
    """US dollars for one evaluation's judging."""

    limit_usd: float | None = None
    """None is no limit."""
    spent_usd: float = 0.0
    """Before an interruption and now."""
    is_empty: bool = False
    """Whether a question could not be paid for."""
    _held: list[float] = field(default_factory=list)
    _one_settled: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def paying(self, at_most: float | None) -> AsyncIterator[Bill]:
        """Ask a question in the block, and say what it cost.

        Args:
            at_most: The most that it may cost; must be known where there is a limit.

        Raises:
            PurseEmpty: It cannot be paid for.
        """
        most = at_most or 0.0
        await self._hold(most)
        costs = [most]

        def bill(cost: float | None) -> None:
            costs.append(most if cost is None else cost)

        try:
            yield bill
        finally:
            self._held.remove(most)
            self.spent_usd += costs[-1]
            self._one_settled.set()  # all that wait look again
            self._one_settled = asyncio.Event()

    async def _hold(self, most: float) -> None:
        while not self._has_room(most):
            if self.is_empty or not self._held:
                self.is_empty = True
                raise PurseEmpty
            await self._one_settled.wait()
        self._held.append(most)

    def _has_room(self, most: float) -> bool:
        if self.limit_usd is None:
            return True
        return self.spent_usd + sum(self._held) + most <= self.limit_usd + ROUNDING
