"""What a whole evaluation may use: a run is started only if all that are under way fit, too.

A run under way may still use what one run may use at most: its own budget, or where it has
none what the dearest run so far used. Until that is known, one run goes at a time.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from assay.config import Budgets
from assay.records import RunRecord

ROUNDING = 1e-9
"""Sums of dollars are not exact; a thousandth of a millionth more is no overrun."""


@dataclass(slots=True)
class Allowance:
    """One amount that all runs share."""

    limit: float
    per_run: float | None
    """What the budget of one run allows it."""
    used: float = 0.0
    _dearest: float | None = None

    def count(self, amount: float | None) -> None:
        """Add what a finished run used; one that nobody measured used what a run may."""
        if amount is not None:
            self._dearest = max(amount, self._dearest or 0.0)
        self.used += self.of_one_run() if amount is None else amount

    def of_one_run(self) -> float:
        """What a run may use at most, as far as it is known; else without end."""
        known = [each for each in (self.per_run, self._dearest) if each is not None]
        return max(known, default=math.inf)

    @property
    def is_used_up(self) -> bool:
        """Whether nothing at all is left."""
        return self.used >= self.limit

    def admits(self, n_unfinished: int, *, alone: bool) -> bool:
        """Whether so many runs may be unfinished at once, the one to start among them."""
        if self.is_used_up:
            return False
        one, room = self.of_one_run(), self.limit - self.used
        return alone if math.isinf(one) else n_unfinished * one <= room + ROUNDING


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The budgets of one evaluation, and the runs that draw on them."""

    max_runs: int | None
    shared: dict[str, Allowance]
    """By the name of the budget."""
    _unfinished: set[str]
    """Begun now or before an interruption: what they have used is not counted yet."""
    _runs: int
    _under_way: int = 0
    _one_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(
        cls, budgets: Budgets, *, finished: Collection[RunRecord], begun: Collection[str]
    ) -> "Ledger":
        """The ledger of an evaluation with these finished runs, and others that were cut off."""
        limits = {
            name: Allowance(limit, getattr(budgets, name))
            for name in ("max_tokens", "max_spend_usd")
            if (limit := getattr(budgets.evaluation, name)) is not None
        }
        ledger = cls(
            max_runs=budgets.evaluation.max_runs,
            shared=limits,
            _runs=len(finished),
            _unfinished=set(begun),
        )
        for run in finished:
            ledger.count(run)
        return ledger

    def count(self, run: RunRecord) -> None:
        """Add what one finished run used; the run itself counts from its start."""
        self._unfinished.discard(run.run_id)
        used = {"max_tokens": run.total_tokens, "max_spend_usd": run.spend_usd}
        for name, allowance in self.shared.items():
            allowance.count(used[name])

    @asynccontextmanager
    async def admission(self, run_id: str) -> AsyncIterator[str | None]:
        """Let a run start once there is room for it, until the block ends.

        Yields None, or the name of the budget for which it must not start at all.
        """
        while (short := self._short_of(run_id)) is not None:
            if short not in self.shared or self._under_way == 0 or self.shared[short].is_used_up:
                yield short
                return
            await self._one_ended.wait()
        self._runs += 1
        self._under_way += 1
        self._unfinished.add(run_id)
        try:
            yield None
        finally:
            self._under_way -= 1
            self._one_ended.set()  # all that wait look again
            self._one_ended = asyncio.Event()

    def _short_of(self, run_id: str) -> str | None:
        """The first budget that has no room for the run now."""
        if self.max_runs is not None and self._runs >= self.max_runs:
            return "max_runs"
        n_unfinished = len(self._unfinished | {run_id})
        for name, allowance in self.shared.items():
            if not allowance.admits(n_unfinished, alone=self._under_way == 0):
                return name
        return None
